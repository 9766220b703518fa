"""A release whose heavy steps run on Spark."""
