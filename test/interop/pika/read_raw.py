"""Prints messages of a queue as they are, a JSON object a line: read_raw.py URL QUEUE COUNT"""

import base64
import json
import sys

import pika

url, queue, count = sys.argv[1:]
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    for method, properties, body in channel.consume(queue):
        message = {
            "bodyBase64": base64.b64encode(body).decode(),
            "contentType": properties.content_type,
            "headers": properties.headers or {},
        }
        print(json.dumps(message, default=str), flush=True)
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == int(count):
            break
    channel.cancel()
