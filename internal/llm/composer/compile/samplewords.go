package compile

import "regexp"

// This file holds the words that sample data is made of.

var aboutName = regexp.MustCompile(`descri|about|bio|summary|detail|body|content|story`)

var descriptions = []string{"A classic, done properly.", "Simple, well made and easy to like.", "New this season, and popular already."}

var remarks = []string{
	"Agreed by phone; check again next week.", "Nothing unusual so far.", "Worth another look before it is closed.",
}

var people = []string{"Maya Okafor", "Jonas Lindqvist", "Priya Raman", "Tom Whitaker", "Elena Petrova", "Sam Castellanos", "Grace Nakamura", "Ibrahim Haddad"}

// nouns are plausible titles by what a word in the entity's or the field's name says it is.
var nouns = []struct {
	words  string
	values []string
}{
	{"customer client guest student member employee patient contact person people author staff friend assignee owner mechanic dentist teacher tenant flatmate lead user candidate artist player", people},
	{"company supplier vendor organization employer brand manufacturer publisher agency", []string{"Northwind Supply", "Harbor & Sons", "Blue Finch Studio", "Cedar Works", "Atlas Partners"}},
	{"book", []string{"The Left Hand of Darkness", "Middlemarch", "Invisible Cities", "Kindred", "The Overstory"}},
	{"movie film show series", []string{"Spirited Away", "The Third Man", "Paterson", "Playtime", "Arrival"}},
	{"recipe meal dish", []string{"Lemon lentil soup", "Mushroom risotto", "Tomato galette", "Miso noodles", "Apple crumble"}},
	{"ingredient grocer", []string{"Flour", "Olive oil", "Red lentils", "Lemons", "Parmesan"}},
	{"product item stock part material good", []string{"Oak desk lamp", "Canvas tote", "Ceramic mug", "Wool blanket", "Steel bottle"}},
	{"coffee roast bean", []string{"Harbor Blend", "Lighthouse Espresso", "Ethiopia Guji", "Decaf Tide", "Breakwater Dark"}},
	{"plant flower tree", []string{"Monstera", "Snake plant", "Boston fern", "Rubber fig", "Calathea"}},
	{"habit", []string{"Read 20 minutes", "Morning run", "Drink water", "Practice guitar", "Early night"}},
	{"exercise workout", []string{"Back squat", "Bench press", "Deadlift", "Pull-up", "Overhead press"}},
	{"expense transaction payment purchase", []string{"Groceries", "Train ticket", "Coffee with Sam", "Electricity bill", "New headphones"}},
	{"category tag topic genre type", []string{"Essentials", "Travel", "Home", "Health", "Fun"}},
	{"room location place site", []string{"Living room", "Kitchen", "Office", "Bedroom", "Balcony"}},
	{"project campaign", []string{"Website relaunch", "Autumn catalog", "Mobile app", "Office move", "Annual report"}},
	{"chore housework", []string{"Take out the trash", "Clean the kitchen", "Vacuum", "Water the plants", "Buy supplies"}},
	{"task todo card ticket issue step milestone", []string{"Write the brief", "Book the venue", "Review the draft", "Send the invoices", "Fix the sign-in page", "Order supplies", "Call the printer", "Plan the next sprint"}},
	{"idea proposal suggestion feature request feedback", []string{"Dark mode", "Export to spreadsheet", "Keyboard shortcuts", "Weekly summary email", "Offline use"}},
	{"event appointment meeting booking reservation session class shift", []string{"Kickoff", "Check-up", "Workshop", "Review", "Evening class"}},
	{"job application position role", []string{"Product designer", "Data analyst", "Frontend developer", "Office manager", "Researcher"}},
	{"question quiz survey", []string{"How did you hear about us?", "What should we improve?", "Would you recommend us?", "Which day suits you?", "What did you like best?"}},
	{"post article page note journal entry", []string{"A slow Sunday", "What we learned this year", "Notes from the workshop", "Three small changes", "Looking ahead"}},
	{"pet dog cat animal", []string{"Luna", "Milo", "Biscuit", "Nala", "Oscar"}},
	{"bike vehicle car", []string{"Trek Domane", "Brompton C Line", "Surly Trucker", "Canyon Grail", "Gazelle Ultimate"}},
	{"trip destination city country", []string{"Lisbon", "Kyoto", "Edinburgh", "Oaxaca", "Ljubljana"}},
	{"song album track", []string{"Blue in Green", "Harvest Moon", "Clair de Lune", "Teardrop", "Pyramid Song"}},
	{"link bookmark", []string{"Portfolio", "Newsletter", "Shop", "Podcast", "Photo diary"}},
	{"department team group", []string{"Operations", "Design", "Finance", "Support", "Marketing"}},
	{"invoice order quote", []string{"2026-001", "2026-002", "2026-003", "2026-004", "2026-005"}},
	{"address street", []string{"12 Harbor Street", "48 Mill Lane", "7 Station Road", "103 Park Avenue", "5 Chapel Hill"}},
	{"sku code barcode serial number reference", []string{"AX-1001", "AX-1002", "BR-2040", "CT-3005", "DL-4410", "EM-5120", "FK-6001", "GT-7300"}},
	{"boat ship yacht canoe kayak", []string{"Kingfisher", "Heron", "Silver Oar", "Northern Light", "Swift"}},
	{"breed", []string{"Border collie", "Tabby", "Spaniel", "Beagle", "Siamese"}},
	{"color colour", []string{"Blue", "Black", "Forest green", "Red", "Natural"}},
	{"size", []string{"M", "S", "L", "XL", "XS"}},
	{"material fabric", []string{"Oak", "Cotton", "Steel", "Wool", "Ceramic"}},
	{"model", []string{"Series 3", "Classic", "Compact", "Pro", "Lite"}},
	{"variety grape", []string{"Riesling", "Merlot", "Pinot Noir", "Chardonnay", "Syrah"}},
	{"instrument", []string{"Piano", "Violin", "Guitar", "Cello", "Flute"}},
	{"language", []string{"English", "Spanish", "French", "German", "Japanese"}},
	{"region area zone district", []string{"North", "Harbor", "Old town", "East side", "Valley"}},
	{"author writer", people},
	{"unit", []string{"kg", "pcs", "l", "box", "m"}},
	{"table", []string{"Window 1", "Window 2", "Corner", "Terrace", "Long table"}},
}
