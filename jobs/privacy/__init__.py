"""What a person may ask: to be erased, with a receipt, and to be given all that is held."""
