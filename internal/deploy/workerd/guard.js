// The module around an app's Worker. It writes down what the app throws, with the stack, which the runtime alone
// would not: an exception of a handler, a promise that nobody awaits, work given to ctx.waitUntil.
import * as app from "./APP_MODULE";

// Server code alone is given the app's own bindings only.
const alone = (request, { BUCKET, ...own }, context) => app.handle(request, own, context);

const worker = app.default?.fetch ? app.default : { fetch: alone };

const report = (error) => console.error(`Uncaught ${(error && error.stack) || error}`);

addEventListener("unhandledrejection", (event) => report(event.reason));

const refuse = (status, error) => Response.json({ error }, { status, headers: { "cache-control": "no-store" } });

// The runtime breaks a connection off, and the reply with it, when it answers before a body has arrived that nobody
// reads. So one of a usual size is read before the app is asked. A larger one streams: code that refuses it unread may be
// cut short.
const HELD = 1 << 20;

const hold = async (request) => {
  const size = Number(request.headers.get("content-length"));
  return request.body && size > 0 && size <= HELD ? new Request(request, { body: await request.arrayBuffer() }) : request;
};

export default {
  async fetch(incoming, env, ctx) {
    const request = await hold(incoming);
    const context = {
      waitUntil: (work) => ctx.waitUntil(Promise.resolve(work).catch(report)),
      passThroughOnException() {},
      props: ctx.props,
    };
    try {
      const response = await worker.fetch(request, env, context);
      return response instanceof Response ? response : refuse(404, "Not found.");
    } catch (error) {
      report(error);
      return refuse(500, "The app's server code failed. Its log says why.");
    }
  },
};
