package understand

import "strings"

// grid turns the rows of a Markdown table into a list that the grammar reads. A table whose header says "field" and
// "type" has a field in each row; of any other the header names the fields.
func grid(text string) string {
	var out, items []string
	rows, byRow := 0, false
	flush := func() {
		if len(items) > 0 {
			out = append(out, strings.Join(items, ", "))
		}
		items, rows = nil, 0
	}
	for _, line := range strings.Split(text, "\n") {
		cells := cellsOf(line)
		if len(cells) == 0 {
			flush()
			out = append(out, line)
			continue
		}
		if strings.Trim(strings.Join(cells, ""), "-: ") == "" {
			continue
		}
		rows++
		switch {
		case rows == 1:
			byRow = len(cells) > 1 && fieldColumn[fold(cells[0])]
			if !byRow {
				items = append(items, cells...)
			}
		case byRow && cells[0] != "":
			item := cells[0]
			if len(cells) > 1 && cells[1] != "" {
				item += " (" + cells[1] + ")"
			}
			items = append(items, item)
		}
	}
	flush()
	return strings.Join(out, "\n")
}

var fieldColumn = set("field fields column columns property attribute name item")

// cellsOf returns the cells of a table row, or nil for any other line.
func cellsOf(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || strings.Count(line, "|") < 2 {
		return nil
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}
