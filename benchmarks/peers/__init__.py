"""
What swergio is compared with, a module each: the broker, as a function ``serve``, and a client.

Bare relays keep nothing, order nothing and acknowledge nothing; each is the quickest that its library makes plainly.
"""
