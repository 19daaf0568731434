"""What would the same work cost under other rules, or with other levers pulled?"""
