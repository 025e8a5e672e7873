"""`python3 -m greeter NAME [--hour HOUR]`."""

import argparse
from datetime import datetime

from greeter.greeting import greet

parser = argparse.ArgumentParser(prog="greeter")
parser.add_argument("name", nargs="?", default="")
parser.add_argument("--hour", type=int, default=datetime.now().hour)
arguments = parser.parse_args()
print(greet(arguments.name, arguments.hour))
