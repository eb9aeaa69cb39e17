import ast

SETTINGS = ast.literal_eval("{1:")
