"""What the doubles of the site's services have in common: HTTP, faults that a test arms, and a door for audits.

faults.py    what goes wrong on purpose: before a request is carried out, after it, or instead of it
refused.py   an answer that is a refusal
server.py    HTTP in front of a service, and its door for tests below /_simulator
serve.py     the command line of a double
part.py      a double as a part of a stack
"""
