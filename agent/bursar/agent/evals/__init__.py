"""How are samples of calls run on another model, and what does the comparison say?"""
