"""The program that looks at one whole dataset and says what it found, as lines of JSON.

It has the bytes from its standard input and nothing else of the service: no keys, no database, no
network. It shares the machine with calls and trainings, so it runs at a low priority.
"""
