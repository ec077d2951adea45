"""`casestore serve`: the pages of projections/pages, made when they are asked for.

Needs the extra `serve`.
"""
