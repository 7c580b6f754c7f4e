"""The demo's world: people, a mailbox side and an advertiser side with known truth, small and seeded.

Its figures are invented so that one day of a thousand mails shows something (about 5 % human clicks, a fifth of them converting).
They say nothing about real lists.
"""
