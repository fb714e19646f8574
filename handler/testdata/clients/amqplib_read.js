// Prints the messages of a queue, one JSON line each: argv are URL, queue, number.
const amqp = require('amqplib');

(async () => {
  const [url, queue, count] = process.argv.slice(2);
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  for (let n = 0; n < Number(count);) {
    const m = await channel.get(queue, { noAck: true });
    if (!m) continue;
    const p = m.properties;
    new Date(p.timestamp * 1000);
    console.log(JSON.stringify({ app: p.appId, id: p.messageId, host: p.headers.host, body: m.content.toString('utf8') }));
    n++;
  }
  await connection.close();
})().catch((err) => { console.error(err); process.exit(1); });
