"""The public functions, a file a verb. `tenfold` exports them, and the command line is derived from their signatures.

A parameter that can be given by position is an argument of the command, a keyword an option; its help is its line
in the docstring. Whatever needs numpy or torch is imported inside the functions, so that ``--help`` stays quick.
"""
