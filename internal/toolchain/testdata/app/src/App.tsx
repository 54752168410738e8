import * as React from "react";
import { lazy, Suspense, useState } from "react";
import clsx from "clsx";
import { z } from "zod";
import { Counter, type CounterProps } from "@/components/Counter";
import mark from "@/assets/mark.svg";
import settings from "./settings.json";

const Details = lazy(() => import("./pages/Details"));
const schema = z.object({ name: z.string().min(1) });
const labels: CounterProps = { label: "Count" };

export default function App() {
  const [open, setOpen] = useState(false);
  const valid = schema.safeParse({ name: settings.name }).success;
  return (
    <main className="mx-auto max-w-[713px] panel">
      <h1 className={clsx("text-brand", open && "hover:underline", "md:grid-cols-[1fr_auto]")}>
        {import.meta.env.VITE_GREETING ?? "no greeting"} {settings.name} {valid ? "valid" : "invalid"}
      </h1>
      <img src={mark} alt="mark" width={16} />
      <Counter {...labels} />
      <button id="more" onClick={() => setOpen(true)}>
        More
      </button>
      {open && (
        <Suspense fallback={<p>Loading</p>}>
          <Details />
        </Suspense>
      )}
      <p id="mode">{`${import.meta.env.MODE} ${import.meta.env.PROD} React ${React.version}`}</p>
    </main>
  );
}
