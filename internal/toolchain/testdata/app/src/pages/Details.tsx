import { useId } from "react";
import "./details.css";

export default function Details() {
  return (
    <p id="details" className="details" data-id={useId()}>
      Loaded on demand
    </p>
  );
}
