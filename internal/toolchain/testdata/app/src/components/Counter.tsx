import { useState } from "react";
import styles from "./Counter.module.css";

export interface CounterProps {
  label: string;
}

export function Counter({ label }: CounterProps) {
  const [count, setCount] = useState(0);
  return (
    <button id="count" className={styles.counter} onClick={() => setCount((n) => n + 1)}>
      {label}: {count}
    </button>
  );
}
