"""How fast a recipe trains and predicts here, beside what the core can do at all.

Everything is measured in a process of its own with the environment of a member's worker; what is
compared takes turns within that process, because the speed of a machine changes from second to second.
"""
