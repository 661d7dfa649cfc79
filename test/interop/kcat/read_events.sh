#!/bin/sh
# Prints the first COUNT events of a topic, each with key and headers, as JSON: read_events.sh BROKERS TOPIC COUNT
set -eu
kcat -C -q -u -J -b "$1" -t "$2" -o beginning -c "$3"
