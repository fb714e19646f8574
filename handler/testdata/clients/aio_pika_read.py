# Prints the messages of a queue, one JSON line each: argv are URL, queue, number.
import asyncio, json, sys
import aio_pika

async def main():
    conn = await aio_pika.connect(sys.argv[1])
    async with conn:
        channel = await conn.channel()
        queue = await channel.get_queue(sys.argv[2], ensure=False)
        n = int(sys.argv[3])
        async with queue.iterator(no_ack=True) as messages:
            async for m in messages:
                str(m.timestamp)
                print(json.dumps({"app": m.app_id, "id": m.message_id, "host": m.headers["host"], "body": m.body.decode("utf-8")}))
                n -= 1
                if n == 0:
                    break

asyncio.run(asyncio.wait_for(main(), 30))
