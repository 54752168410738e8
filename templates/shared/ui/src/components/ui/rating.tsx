import { StarIcon } from "lucide-react";
import { cn } from "@/lib/utils";

const STARS = [1, 2, 3, 4, 5];

function Star({ filled }: { filled: boolean }) {
  return <StarIcon className={cn("size-4", filled ? "fill-current text-warning" : "text-line-strong")} aria-hidden />;
}

/** One to five stars, to read. */
export function Rating({ value }: { value: number | null }) {
  if (value === null) return <span className="text-muted">—</span>;
  return (
    <span role="img" aria-label={`${value} of 5 stars`} className="inline-flex gap-0.5 align-middle">
      {STARS.map((star) => (
        <Star key={star} filled={star <= Math.round(value)} />
      ))}
    </span>
  );
}

type RatingInputProps = {
  id?: string;
  name: string;
  value: string;
  onChange: (event: { target: { value: string } }) => void;
  "aria-describedby"?: string;
  "aria-invalid"?: boolean;
};

/** One to five stars, to choose: a native radio group, so that arrow keys work. */
export function RatingInput({ id, name, value, onChange, ...aria }: RatingInputProps) {
  return (
    <div {...aria} role="radiogroup" aria-label="Stars" className="flex h-10 items-center">
      {STARS.map((star) => (
        <label key={star} className="grid size-9 cursor-pointer place-items-center rounded-lg has-focus-visible:outline-2">
          <input
            id={star === 1 ? id : undefined}
            type="radio"
            name={name}
            value={star}
            checked={value === String(star)}
            onChange={(event) => onChange({ target: { value: event.target.value } })}
            aria-label={`${star} of 5`}
            className="sr-only"
          />
          <Star filled={star <= Number(value || 0)} />
        </label>
      ))}
    </div>
  );
}
