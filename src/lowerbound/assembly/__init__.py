"""From a configuration and a description of the data to parts that fit."""
