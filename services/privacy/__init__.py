"""Privacy: receipts of erasures, signed, and the routes by which an erasure is asked for."""
