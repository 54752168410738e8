// Runs Workers for a test: reads requests as lines of JSON, answers each with a line, and ends when its input does.
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Miniflare, supportedCompatibilityDate } from "miniflare";

const kinds = {
  "application/javascript+module": "ESModule",
  "application/octet-stream": "Data",
  "application/wasm": "CompiledWasm",
  "text/plain": "Text",
};
const bytes = (text) => Buffer.from(text ?? "", "base64");
const root = await mkdtemp(join(tmpdir(), "edge-"));
const running = [];

async function serve(worker) {
  const modules = worker.Modules.map((m) => {
    const type = kinds[m.Type.split(";")[0]];
    if (!type) throw new Error(`the module ${m.Name} has the type ${m.Type}`);
    return { type, path: join(root, m.Name), contents: type === "ESModule" || type === "Text" ? bytes(m.Content).toString() : bytes(m.Content) };
  });
  modules.sort((a, b) => (b.path === join(root, worker.Main)) - (a.path === join(root, worker.Main))); // the first is the main one
  const options = {
    name: worker.Name, host: "127.0.0.1", port: 0, modules, modulesRoot: root,
    compatibilityDate: worker.CompatibilityDate < supportedCompatibilityDate ? worker.CompatibilityDate : supportedCompatibilityDate, compatibilityFlags: worker.CompatibilityFlags ?? [],
    bindings: worker.Vars ?? {}, r2Buckets: Object.keys(worker.Buckets ?? {}),
  };
  if (worker.Assets) {
    const directory = await mkdtemp(join(root, "assets-"));
    for (const [path, content] of Object.entries(worker.Assets)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), bytes(content));
    }
    options.assets = {
      directory, binding: worker.AssetsBinding,
      routerConfig: { has_user_worker: true, invoke_user_worker_ahead_of_assets: true },
      assetConfig: { html_handling: "none", not_found_handling: "none" },
    };
  }
  const mf = new Miniflare(options);
  let url;
  try {
    url = await mf.ready;
  } catch (error) {
    await mf.dispose().catch(() => {}); // it fails for the same reason
    throw error;
  }
  running.push(mf);
  for (const [binding, objects] of Object.entries(worker.Buckets ?? {})) {
    const bucket = await mf.getR2Bucket(binding);
    for (const [key, o] of Object.entries(objects)) {
      await bucket.put(key, new Uint8Array(bytes(o.Content)), { httpMetadata: { contentType: o.ContentType } });
    }
  }
  return url.href;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { URL: await serve(JSON.parse(line)) };
  } catch (error) {
    answer = { Error: String(error?.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await Promise.all(running.map((mf) => mf.dispose()));
await rm(root, { recursive: true, force: true });
