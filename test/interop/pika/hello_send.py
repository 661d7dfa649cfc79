"""The first program of every tutorial, the sender: hello_send.py URL QUEUE TEXT"""

import sys

import pika

url, queue, text = sys.argv[1:]
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.basic_publish(exchange="", routing_key=queue, body=text.encode())
