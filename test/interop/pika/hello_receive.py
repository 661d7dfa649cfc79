"""The first program of every tutorial, the receiver of one message: hello_receive.py URL QUEUE"""

import sys

import pika

url, queue = sys.argv[1:]
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)

    def on_message(channel, method, properties, body):
        print(body.decode(), flush=True)
        channel.stop_consuming()

    channel.basic_consume(queue, on_message, auto_ack=True)
    print("waiting", flush=True)
    channel.start_consuming()
