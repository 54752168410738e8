import { useState } from "react";
import { Combobox } from "@/components/ui/combobox";
import { useQuery } from "@/hooks/useQuery";

export type Suggestion = { id: string; row_title: string };

type RefPickerProps = {
  /** The query topic of what is picked, for example "customers". */
  topic: string;
  /** Where to look: different tenants must not share a cache. */
  scope?: string;
  name: string;
  /** The id of what is picked, or "". */
  value: string;
  /** The name of what was picked when the form opened. */
  initialTitle?: string;
  placeholder: string;
  suggest: (text: string) => Promise<Suggestion[]>;
  onChange: (event: { target: { value: string } }) => void;
  id?: string;
  "aria-describedby"?: string;
  "aria-invalid"?: boolean;
  "aria-required"?: boolean;
};

/** Finds a row of another list while typing. */
export function RefPicker(props: RefPickerProps) {
  const { topic, scope = "", value, initialTitle = "", suggest, onChange, ...field } = props;
  const [text, setText] = useState(initialTitle);
  const [picked, setPicked] = useState(initialTitle);
  const wanted = value && text === picked ? "" : text.trim();
  const { data = [] } = useQuery([topic, "suggest", scope, wanted], () => suggest(wanted), { keepPrevious: true });
  return (
    <Combobox
      {...field}
      options={data.map(({ id, row_title }) => ({ id, label: row_title }))}
      text={text}
      onText={(next) => {
        setText(next);
        onChange({ target: { value: "" } });
      }}
      onPick={({ id, label }) => {
        setText(label);
        setPicked(label);
        onChange({ target: { value: id } });
      }}
    />
  );
}
