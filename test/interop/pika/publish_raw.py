"""Publishes messages as they are told, a JSON object a line on standard input: publish_raw.py URL"""

import base64
import json
import sys
from datetime import datetime, timezone

import pika


def value_of(header):
    """A header of the form {"date": seconds} becomes a date, which is a timestamp on the wire."""
    return datetime.fromtimestamp(header["date"], timezone.utc) if isinstance(header, dict) else header


with pika.BlockingConnection(pika.URLParameters(sys.argv[1])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    for line in sys.stdin:
        message = json.loads(line)
        headers = {name: value_of(header) for name, header in message.get("headers", {}).items()}
        properties = pika.BasicProperties(content_type=message.get("contentType"), headers=headers)
        body = base64.b64decode(message["bodyBase64"])
        channel.basic_publish(message["exchange"], message["routingKey"], body, properties, mandatory=True)
