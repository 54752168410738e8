package part

import "github.com/a-h/templ"

// shapes is the icon set: a grid of 16, strokes of 1.5 px at any size (base.css). Add a shape only when a
// page uses it.
var shapes = map[string]string{
	"arrow":    `<path d="M3 8h9.75M8.75 4l4 4-4 4"/>`,
	"chat":     `<path d="M2.5 3.25h11v8.25H7.25L4.5 14v-2.5h-2z"/>`,
	"check":    `<path d="m3.25 8.5 3.25 3.25 6.25-7.5"/>`,
	"clock":    `<circle cx="8" cy="8" r="5.75"/><path d="M8 4.75V8l2.25 1.5"/>`,
	"code":     `<path d="M5.5 4.25 1.75 8l3.75 3.75M10.5 4.25 14.25 8l-3.75 3.75"/>`,
	"copy":     `<rect x="5.5" y="5.5" width="8" height="8" rx="1"/><path d="M10.5 5.5v-3h-8v8h3"/>`,
	"desktop":  `<rect x="2" y="3" width="12" height="8" rx="1"/><path d="M8 11v2.5M5.5 13.5h5"/>`,
	"diff":     `<path d="M8 2.5v6M5 5.5h6M5 12.5h6"/>`,
	"down":     `<path d="m4 6.25 4 4 4-4"/>`,
	"download": `<path d="M8 2.5v7.75M4.75 7 8 10.25 11.25 7M2.5 13.5h11"/>`,
	"eye":      `<path d="M1.75 8S4 3.75 8 3.75 14.25 8 14.25 8 12 12.25 8 12.25 1.75 8 1.75 8z"/><circle cx="8" cy="8" r="1.75"/>`,
	"fail":     `<circle cx="8" cy="8" r="5.75"/><path d="m6 6 4 4M10 6l-4 4"/>`,
	"file":     `<path d="M4 2.25h5.25L12 5v8.75H4zM9 2.5V5.25h2.75"/>`,
	"folder":   `<path d="M2.25 12.75v-9h4l1.5 1.75h6v7.25z"/>`,
	"globe":    `<circle cx="8" cy="8" r="5.75"/><path d="M2.25 8h11.5M8 2.25c2 1.75 2.5 3.75 2.5 5.75S10 12 8 13.75C6 12 5.5 10 5.5 8S6 4 8 2.25"/>`,
	"grid":     `<rect x="2.5" y="2.5" width="4.25" height="4.25" rx=".75"/><rect x="9.25" y="2.5" width="4.25" height="4.25" rx=".75"/><rect x="2.5" y="9.25" width="4.25" height="4.25" rx=".75"/><rect x="9.25" y="9.25" width="4.25" height="4.25" rx=".75"/>`,
	"info":     `<circle cx="8" cy="8" r="5.75"/><path d="M8 7.5v3.5M8 5v.1"/>`,
	"left":     `<path d="m9.75 4-4 4 4 4"/>`,
	"lock":     `<rect x="3.5" y="7" width="9" height="6.5" rx="1"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/>`,
	"logs":     `<rect x="2" y="3" width="12" height="10" rx="1"/><path d="m4.5 6.25 2 1.75-2 1.75M8.5 10h3"/>`,
	"ok":       `<circle cx="8" cy="8" r="5.75"/><path d="m5.5 8.25 1.75 1.75 3.25-3.75"/>`,
	"open":     `<path d="M6.5 3.5h-3v9h9v-3M9.25 3.25h3.5v3.5M12.5 3.5 7.5 8.5"/>`,
	"phone":    `<rect x="4.75" y="2" width="6.5" height="12" rx="1.25"/><path d="M7.5 11.75h1"/>`,
	"plus":     `<path d="M8 3v10M3 8h10"/>`,
	"reload":   `<path d="M13.25 8a5.25 5.25 0 1 1-1.6-3.78M13.25 2.5v2.75H10.5"/>`,
	"right":    `<path d="m6.25 4 4 4-4 4"/>`,
	"search":   `<circle cx="7" cy="7" r="4.25"/><path d="m10.25 10.25 3.25 3.25"/>`,
	"send":     `<path d="M8 13V3.25M3.75 7.5 8 3.25l4.25 4.25"/>`,
	"stop":     `<rect x="4.5" y="4.5" width="7" height="7" rx="1"/>`,
	"sun":      `<circle cx="8" cy="8" r="2.75"/><path d="M8 1.75v1M8 13.25v1M1.75 8h1M13.25 8h1M3.6 3.6l.7.7M11.7 11.7l.7.7M3.6 12.4l.7-.7M11.7 4.3l.7-.7"/>`,
	"tablet":   `<rect x="3.25" y="2" width="9.5" height="12" rx="1.25"/><path d="M7.25 11.75h1.5"/>`,
	"tune":     `<path d="M2.5 5h5M11 5h2.5M2.5 11H5M8.5 11h5"/><circle cx="9.25" cy="5" r="1.75"/><circle cx="6.75" cy="11" r="1.75"/>`,
	"undo":     `<path d="M3 6.25h6.5a3.6 3.6 0 0 1 0 7.25H6M5.75 3.25l-3 3 3 3"/>`,
	"users":    `<circle cx="6" cy="5.5" r="2.5"/><path d="M1.75 13.25c0-2.5 1.75-4 4.25-4s4.25 1.5 4.25 4M10.5 3.2a2.5 2.5 0 0 1 0 4.6M12 9.7c1.4.6 2.25 1.8 2.25 3.55"/>`,
	"warn":     `<path d="M8 2.5 14.25 13.25H1.75zM8 6.5v3M8 11.4v.1"/>`,
	"wrench":   `<path d="M13.4 4.9 11.2 7 9 4.8l2.1-2.2a3.4 3.4 0 0 0-4.5 4.2l-4.1 4.1a1.5 1.5 0 0 0 0 2.1l.5.5a1.5 1.5 0 0 0 2.1 0l4.1-4.1a3.4 3.4 0 0 0 4.2-4.5z"/>`,
	"x":        `<path d="m4 4 8 8M12 4l-8 8"/>`,
}

// Icon prints an icon that says nothing to a screen reader: the word beside it, or the label of its button,
// does. An unknown name prints an empty square.
func Icon(name string) templ.Component {
	return templ.Raw(`<svg class="i" viewBox="0 0 16 16" aria-hidden="true">` + shapes[name] + `</svg>`)
}
