"""Publishes a CloudEvent to a destination: publish_event.py URL EXCHANGE structured|binary ORDER_ID"""

import json
import sys
import uuid
from datetime import datetime, timezone

import pika

url, exchange, mode, order_id = sys.argv[1:]
attributes = {
    "specversion": "1.0",
    "id": str(uuid.uuid4()),
    "source": "/python/checkout",
    "type": "com.example.shop.order.placed.v1",
    "time": datetime.now(timezone.utc).isoformat(),
}
data = {"orderId": order_id}

if mode == "structured":
    content_type, headers = "application/cloudevents+json; charset=UTF-8", {}
    body = json.dumps({**attributes, "data": data})
else:
    content_type, headers = "application/json", {f"cloudEvents_{name}": value for name, value in attributes.items()}
    body = json.dumps(data)

properties = pika.BasicProperties(
    content_type=content_type, headers=headers, message_id=attributes["id"], delivery_mode=pika.DeliveryMode.Persistent
)
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()  # without it nobody says whether the broker took the message
    channel.basic_publish(exchange, attributes["type"], body.encode(), properties, mandatory=True)
print(attributes["id"])
