// What server code finds in Cloudflare's runtime besides the standard interfaces of workers in browsers, which come
// with TypeScript. A file of worker/ may add the app's own settings: declare global { interface Env { KEY: string } }.

interface Env {
  SUPABASE_URL: string;
  SUPABASE_ANON_KEY: string;
  SUPABASE_SERVICE_ROLE_KEY: string;
  [name: string]: string | undefined;
}

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
}

interface SubtleCrypto {
  timingSafeEqual(a: BufferSource, b: BufferSource): boolean;
}

declare module "node:*";
declare module "cloudflare:*";
declare module "*?raw" {
  const text: string;
  export default text;
}
