#!/bin/sh
# Publishes a CloudEvent with kcat: publish_event.sh BROKERS TOPIC structured|binary ORDER_ID
set -eu
brokers=$1 topic=$2 mode=$3 order_id=$4
id=$(cat /proc/sys/kernel/random/uuid)
source=/kcat/checkout
type=com.example.shop.order.placed.v1
data="{\"orderId\":\"$order_id\"}"

# murmur2_random: the key goes to the partition that Java and Posthorn choose. kcat waits for the answer of the brokers.
set -- -P -b "$brokers" -t "$topic" -k "$order_id" -X partitioner=murmur2_random -X acks=all
if [ "$mode" = structured ]; then
  set -- "$@" -H 'content-type=application/cloudevents+json; charset=UTF-8'
  body="{\"specversion\":\"1.0\",\"id\":\"$id\",\"source\":\"$source\",\"type\":\"$type\",\"data\":$data}"
else
  set -- "$@" -H content-type=application/json -H ce_specversion=1.0 -H "ce_id=$id"
  set -- "$@" -H "ce_source=$source" -H "ce_type=$type"
  body=$data
fi
echo "$body" | kcat "$@"
echo "$id"
