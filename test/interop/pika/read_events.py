"""Prints the events of a destination, one JSON object a line: read_events.py URL EXCHANGE QUEUE COUNT"""

import json
import sys

import pika

url, exchange, queue, count = sys.argv[1:]
prefix = "cloudEvents_"


def event_of(properties, body):
    """Reads both modes; data that is not JSON is left out here."""
    if (properties.content_type or "").lower().startswith("application/cloudevents+json"):
        return json.loads(body)
    headers = (properties.headers or {}).items()
    event = {name[len(prefix) :]: value for name, value in headers if name.startswith(prefix)}
    return {**event, "datacontenttype": properties.content_type, "data": json.loads(body)}


with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, exchange, routing_key="com.example.shop.order.placed.v1")
    print("bound", flush=True)
    for method, properties, body in channel.consume(queue):
        print(json.dumps(event_of(properties, body)), flush=True)
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == int(count):
            break
    channel.cancel()
