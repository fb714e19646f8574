# Prints the messages of a queue, one JSON line each: argv are URL, queue, number.
import json, sys
import pika

conn = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = conn.channel()
n = int(sys.argv[3])
for method, properties, body in channel.consume(sys.argv[2], auto_ack=True, inactivity_timeout=20):
    if method is None:
        sys.exit("no message came")
    print(json.dumps({"app": properties.app_id, "id": properties.message_id, "host": properties.headers["host"], "body": body.decode("utf-8")}))
    n -= 1
    if n == 0:
        break
channel.cancel()
conn.close()
