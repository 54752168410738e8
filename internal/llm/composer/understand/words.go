package understand

import "strings"

// set makes a set out of words separated by spaces.
func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// functional words never belong to a noun phrase.
var functional = set(`a an the this that these those each every all some any no my your our their his her its i we you they he she it them us me
	who whose whom which what what's who's when where why how whether if of in on at to for from by with without per about into onto over under between
	and or but so then than as is are was were be been being am do does did has have had having can could should would will shall may might must
	there here not only also just please let's let via during until since before after above below within across among amongst around inside outside against along throughout through near like want need needs wants wish
	including include includes contains contain too very more most less least own same other another such both either neither one's it's that's
	don't doesn't didn't can't cannot won't isn't aren't wasn't shouldn't couldn't haven't hasn't anymore they're we're i'm i'd we'd i've we've hello hi hey hallo hola bonjour salut ciao thanks thank thx cheers idk dunno lol yo hmm ok okay yeah yes nope clone guess bla blah whatever everything something anything nothing someone everyone anyone somebody everybody because while once
	up down out off back away again & + ; , : ( ) / way ways thing things stuff bunch kind sort able using use used based well etc`)

// adjectives are dropped from the front of a noun phrase: they say how, not what.
var adjectives = set(`simple small basic nice modern beautiful clean little easy quick great good best new minimal minimalist full fullstack complete professional
	personal private cool awesome fun tiny lightweight fast friendly elegant responsive mobile web online digital internal custom local free open
	secure smart powerful pretty proper real big large huge cute stylish fancy classy dark light various different multiple several many few
	two three four five six seven eight nine ten dozen own main basic daily weekly monthly yearly annual their total overall current whole
	two-person one-person three-person mid-sized busy upcoming overdue past future old favourite favorite user-friendly all-in-one markdown choice multiplayer hand-made handmade online-only`)

// appNouns say that a noun phrase names the app itself: "expense tracker", "support desk".
var appNouns = set(`app application tracker manager management system tool site website webapp page platform database db portal organizer organiser planner
	diary maker generator builder software service program dashboard log logger keeper organizing tracking monitor solution hub catalog catalogue
	board desk register directory administration archive box assistant guide encyclopedia scoreboard queue center centre wiki index finder planner calendar scheduler schedule crm erp cms mvp prototype web-app helper
	home collection inventory companion book logbook recorder interface spa backend frontend`)

// verbs that ask for something to be kept: their objects are entities.
var keepVerbs = set(`track manage log record keep store organize organise save collect add create post propose submit write borrow plan schedule rate review sell
	register enter maintain catalog catalogue document monitor list book order rent lend share suggest handle administer upload publish offer buy propose edit
	report request count file assign invite host breed raise grow train follow supervise inspect issue send answer comment leave`)

// verbs of all kinds; none of them belongs to a noun phrase unless the grammar knows better.
var verbs = set(`track manage keep store organize organise save collect add create propose submit write borrow plan schedule register enter maintain
	see show view find search look take return mark warn remind sort filter export want need make build generate implement develop design write give help
	display know get go sees shows took came come comes owns own wants needs says say tell tells let lets allow allows enable choose pick browse check
	edit update delete remove change set sets approve approves assign vote votes upvote invite join login log logs sign signed decide finish start
	remember improve avoid prevent calculate compute print send receive pay pays run runs working works work costs visit visits try become
	bring brings happen happens happened belong belongs react responds respond play plays sell sells buy buys books posts writes tracks manages keeps
	creates adds submits collects uploads shares rates reviews orders rents lends proposes suggests reports requests answers comments records
	reserve reserves knock practise practice take takes handle handles monitor compare sync import attach fill cancel reschedule confirm confirms claim claims earn complete completes
	serve serves feed treat offers leave leaves notify notifies email join joins`)

// ambiguous words are verbs only where the grammar finds a subject before or an object behind them.
var ambiguous = set(`book log list record plan order post review comment vote call rate note form chart report score answer work need visit
	schedule request run check sign start finish return change set search filter design print view display play claim monitor file count rent issue share offer
	document host train register update export import store feed treat track answers comments reports orders reviews requests works visits costs plays runs posts
	email text books votes records logs rates offers claims confirms working own`)

// actors are people who use the app rather than rows in it, when they stand before a verb.
var actors = set(`people person user users member members staff employee employees manager managers admin admins administrator administrators everyone anyone visitor
	visitors i we you they receptionist librarian owner owners team teammate teammates colleague colleagues flatmate flatmates roommate roommates
	organizer organizers organiser organisers editor editors moderator moderators resident residents teacher teachers parents coach coaches kids someone boss bosses worker workers
	volunteers neighbors neighbours friends family husband wife partner supervisor supervisors agent agents technician technicians instructor instructors`)

// bookings are what the verbs leave behind: who books a court has a booking.
var bookings = map[string]string{"book": "booking", "reserve": "reservation", "borrow": "loan", "rent": "rental"}

// kinds are choices that people also write with "of" and no options: "type of work".
var kinds = set("type kind category level reason source class method unit area team group position size style color colour channel zone season grade section")

// selectish reports whether a noun names a choice between options.
func selectish(noun string) bool {
	l := vocabulary()
	for p := noun; p != ""; _, p, _ = strings.Cut(p, " ") {
		if l.choices[p] {
			return true
		}
	}
	return false
}
