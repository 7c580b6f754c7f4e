"""smoke"""
from tests.builders import Org

def test_x(org: Org) -> None:
    plan = org.mailed()
    print(org.send(plan), org.counters(), org.mails[0].mime.decode())
