"""Does everything here fit together, and if not, what is to be done?"""
