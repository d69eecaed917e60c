"""A local exchange that speaks the venues' real protocols, with faults to order.

It shares no code with the router: protocol facts are read a second time here, so that one wrong
reading shows as a failing test.
"""
