import { useState, type ReactNode } from "react";
import type { Choice } from "@/components/ui/badge-select";
import { Badge } from "@/components/ui/badge";
import { cn } from "@/lib/utils";

type BoardProps<Row extends { id: string }, Value extends string> = {
  columns: readonly Choice<Value>[];
  rows: Row[];
  columnOf: (row: Row) => string | null;
  onMove: (row: Row, column: Value) => void;
  /** Whether a card may be dragged; all may, unless told otherwise. */
  canMove?: (row: Row) => boolean;
  /** What is on a card. It holds a select too, so that nobody needs to drag. */
  renderCard: (row: Row) => ReactNode;
};

/** Columns of cards that can be dragged from one to the next. */
export function Board<Row extends { id: string }, Value extends string>(props: BoardProps<Row, Value>) {
  const { columns, rows, columnOf, onMove, canMove = () => true, renderCard } = props;
  const [dragged, setDragged] = useState<Row>();
  const [over, setOver] = useState<string>();

  function drop(column: Value) {
    if (dragged && columnOf(dragged) !== column) onMove(dragged, column);
    setDragged(undefined);
    setOver(undefined);
  }

  return (
    <div className="flex snap-x scroll-px-3 items-start gap-4 overflow-x-auto p-3 sm:scroll-px-5 sm:p-5">
      {columns.map((column) => {
        const cards = rows.filter((row) => columnOf(row) === column.value);
        return (
          <section
            key={column.value}
            aria-label={column.label}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(column.value);
            }}
            onDragLeave={() => setOver(undefined)}
            onDrop={(event) => {
              event.preventDefault();
              drop(column.value);
            }}
            className={cn(
              "w-72 shrink-0 snap-start rounded-xl bg-surface-sunken p-2 transition-shadow sm:flex-1",
              over === column.value && "ring-2 ring-primary",
            )}
          >
            <h2 className="flex items-center justify-between p-2">
              <Badge tone={column.tone}>{column.label}</Badge>
              <span className="text-xs text-muted tabular-nums">{cards.length}</span>
            </h2>
            <ul className="space-y-2">
              {cards.map((row) => (
                <li
                  key={row.id}
                  draggable={canMove(row)}
                  onDragStart={(event) => {
                    event.dataTransfer.effectAllowed = "move";
                    event.dataTransfer.setData("text/plain", row.id);
                    setDragged(row);
                  }}
                  onDragEnd={() => setDragged(undefined)}
                  className={cn(
                    "rounded-lg border border-line bg-surface p-3 shadow-card",
                    canMove(row) && "cursor-grab",
                    dragged?.id === row.id && "opacity-50",
                  )}
                >
                  {renderCard(row)}
                </li>
              ))}
              {cards.length === 0 && <li className="px-2 py-6 text-center text-xs text-muted">Nothing here</li>}
            </ul>
          </section>
        );
      })}
    </div>
  );
}
