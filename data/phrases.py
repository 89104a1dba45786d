"""What reviewers of the sample talk about: kinds of thing, their aspects, what happens with them, the verdicts.

Owns words only. How they become sentences, and what they are worth, stands in `grammar`.

An aspect is a line of six fields: noun (a `+` marks a plural) | good | superb | poor | awful | so-so. "Good" and
"poor" words go with "very" and "a bit", "superb" and "awful" ones with "absolutely". After the aspects come openings
(@), events (>), sarcasm (!) and verdicts (=); events and verdicts begin with what they are worth, -2 to 2. Names in
braces are slots.
"""

from __future__ import annotations

HOTEL = """
room | clean, comfortable, quiet | spotless, gorgeous | cramped, stuffy, dark | filthy, mouldy | as in the pictures
bed | comfortable, firm, cosy | heavenly | lumpy, soft, creaky | a torture | what you would expect
staff+ | friendly, helpful, polite | wonderful, outstanding | slow, unhelpful | rude, hostile | there when needed
breakfast | fresh, varied, generous | delicious, amazing | cold, bland, repetitive | inedible | the usual buffet
bathroom | clean, modern, bright | immaculate | dated, small, draughty | disgusting | nothing special
location | handy, central, peaceful | unbeatable, perfect | noisy, remote | dreadful | twenty minutes from everything
wifi | fast, stable | flawless | slow, patchy | useless | good enough for mail
check-in | quick, smooth, easy | effortless | slow, chaotic, confusing | a nightmare | done in ten minutes
@ Stayed {n} nights in {month}. @ We were in {place} for a wedding. @ Booked this for {who}.
@ Business trip to {place}. @ Third time here. @ Weekend away with {who}. @ Room {room}, facing the street.
@ We arrived late on a {day}. @ Came for a conference.
> 2 we were upgraded to a suite without asking > 2 they drove us to the station at five in the morning for nothing
> 1 they kept our bags all day without a fuss > 1 the receptionist drew us a map of the good places to eat
> 0 there is a lift but it only goes to the fourth floor > 0 parking is {n}0 euros a night
> -1 the heating rattled half the night > -1 we waited {n}0 minutes for a key that worked
> -1 nobody answered the phone > -2 we found hair in the sheets and a cockroach in the shower
> -2 they charged our card twice and refuse to refund it
> -2 water came through the ceiling and we were told to use a bucket
! Lovely view of the bins, and the music from the bar until four was a nice touch.
! If you enjoy cold showers, this is paradise. ! Great idea to put the gym above the bedrooms, who needs sleep anyway.
! Five stars, they say. I counted one, and it was on the door.
= 2 we have already booked again for {month} = 2 best stay we have had in {place} = 1 would stay again
= 0 fine for one night = -1 next time we would look elsewhere = -2 avoid this place = -2 never again
"""

RESTAURANT = """
food | tasty, fresh, hearty | delicious, superb | bland, salty, greasy | inedible, revolting | what you get anywhere
soup | rich, warming, fragrant | divine | watery, thin, cold | undrinkable | out of a packet, I would guess
waiter | friendly, attentive, quick, funny | fantastic | slow, forgetful, grumpy | rude, insulting | busy
portions+ | generous, big | enormous | small, stingy | laughable | normal
prices+ | fair, reasonable | unbelievably low | steep, high | outrageous | what everybody in {place} asks
dessert | light, creamy, pretty | to die for | dry, sugary | stale | an ice cream, basically
atmosphere | cosy, lively, relaxed | magical | loud, stiff, gloomy | unbearable | hard to describe
table | nice, well placed | perfect | wobbly, cramped | filthy | next to the door
@ Dinner for {n} on a {day}. @ We came for {who}'s birthday. @ Lunch with colleagues. @ Found it by chance in {place}.
@ Ordered the set menu. @ Had the fish, {who} had the lamb. @ We had a table at eight. @ First visit since {month}.
@ Took {who} here.
> 2 the chef came out to ask whether we liked it and sent us a dessert > 2 they made a whole menu around my allergy
> 1 they found us a table although we had not booked > 1 we took the leftovers home and they were as good the next day
> 0 they only take cash > 0 the menu changes every {n} weeks > -1 they forgot one of our starters
> -1 we waited {n}0 minutes for the bill > -1 half of the menu was sold out by eight
> -2 two of us were sick all night > -2 I found a piece of glass in the rice
> -2 they added a tip to the bill and shouted when we asked about it
! Wonderful if you like your steak grey. ! The waiter was so attentive that he only forgot us three times.
! Nothing says romance like a mop bucket beside the table. ! I adore paying nine euros for a leaf.
= 2 already looking forward to next time = 2 the best meal we had all year = 1 we will be back
= 0 all right if you are in the area = -1 there are better places in the same street = -2 stay away
= -2 the worst meal I have had in years
"""

PHONE = """
battery | reliable, decent | phenomenal, unbeatable | weak, disappointing | a disaster, useless | good for one day
screen | bright, sharp, smooth | stunning, gorgeous | dim, dull, scratchy | unreadable | like the one on my old phone
camera | sharp, quick, good | breathtaking | grainy, slow, blurry | hopeless | all right in daylight
sound | clear, loud, full | brilliant | tinny, thin, quiet | horrible | average
case | sturdy, slim, well made | beautiful | slippery, cheap, bulky | falling apart | plastic
software | fluid, simple, tidy | flawless | sluggish, cluttered, buggy | unusable | as on every phone of this make
fingerprint reader | quick, accurate | perfect | fussy, slow | pointless | on the side
price | fair, low, honest | a steal | high, silly | a rip-off | about the same everywhere
@ Bought it in {month}. @ Replaces my old one after {n} years. @ Got this for {who}. @ I use it for work.
@ Had it for {n} weeks now. @ Second phone of this make. @ Ordered the blue one. @ Bought it used.
@ A present from {who}.
> 2 it survived a fall from the balcony without a scratch > 2 support sent a new one the next day, no questions asked
> 1 it charges in under an hour > 1 it still gets updates after {n} years > 0 there is no charger in the box
> 0 it weighs a little more than the last one > -1 it gets warm as soon as I make a video call
> -1 the update moved all my settings > -1 calls drop in the kitchen > -2 it died after {n} days and they blame me
> -2 it started to smoke while charging > -2 it restarts every ten minutes and nobody wants to repair it
! Fantastic hand warmer, it makes calls too if you are lucky. ! Great phone for anybody who lives next to a socket.
! I love how it takes the picture five seconds after the moment.
! Congratulations on inventing a screen that is afraid of sunlight.
= 2 best phone I have ever had = 2 I would buy it again tomorrow = 1 good value = 1 happy with it so far
= 0 it does what a phone does = -1 I expected more = -2 sent it straight back = -2 worst purchase of the year
"""

FILM = """
plot | clever, gripping, original | brilliant, unforgettable | predictable | idiotic, insulting | that of the title
lead actor | convincing, charming, funny | magnificent | wooden, miscast, flat | unwatchable | in nearly every scene
ending | moving, surprising, satisfying | perfect | rushed, weak, sentimental | ridiculous | open
music | lovely, fitting, subtle | superb | loud, intrusive | unbearable | mostly piano
dialogue | witty, natural, sharp | masterly | clumsy, stiff, wordy | painful | in three languages
pictures+ | pretty, rich, careful | breathtaking | murky, shaky, pale | hideous | mostly night scenes
pace | brisk, steady | exhilarating | slow, uneven, sleepy | deadly | that of the book
jokes+ | funny, dry, silly in a good way | hilarious | stale, forced | cringeworthy | aimed at children
@ Saw it with {who}. @ Watched it on a {day} evening. @ Saw this in {place}. @ I had read the book.
@ Watched it twice in {month}. @ It runs for over two hours. @ The cinema was half empty. @ Went in knowing nothing.
@ My {n}th film of the festival.
> 2 I cried, and I never cry in films > 2 people stood up and clapped > 1 two hours went by quickly
> 1 even {who} stayed awake > 0 it is the second part of a series > 0 most of it plays in one house
> -1 I looked at my watch more than once > -1 you know who did it after {n} minutes
> -1 the trailer has all the good scenes > -2 half of the audience left before the end
> -2 I want those two hours of my life back > -2 we walked out
! A masterpiece, if you collect yawns. ! Great film to fold laundry to.
! The twist was a real surprise to anybody who had never seen a film.
! Bravo, they managed to make a car chase boring.
= 2 go and see it = 2 the film of the year = 1 worth a ticket = 1 I would watch it again = 0 one for a rainy afternoon
= -1 wait until it is on television = -2 do not waste your money = -2 an insult
"""

PARCEL = """
delivery | quick, punctual, smooth | lightning fast, flawless | late, slow | a complete disaster | on the day they gave
driver | polite, friendly, careful | a hero | grumpy, careless, impatient | rude, aggressive | in a hurry
packaging | sturdy, neat, sensible | perfect | flimsy, wasteful, thin | torn to pieces | a cardboard box
tracking | accurate, clear, handy | excellent | vague, late, confusing | pure fiction | updated once a day
customer service | helpful, patient, quick | amazing | slow, vague, unhelpful | shameful, useless | a chat window
pick-up point | handy, well organised | ideal | far, crowded, dusty | closed for good | in a kiosk
price | fair, low | unbeatable | high, odd | outrageous | printed on the label
time slot | precise, convenient | perfect | wide, awkward | a bad joke | from eight to six
@ Sent a parcel to {who} in {place}. @ Ordered on a {day}. @ {n} parcels since {month}. @ It was a birthday present.
@ Express, paid extra. @ A lamp, well wrapped. @ They deliver in our street every {day}.
@ First time with this company. @ Return of a pair of shoes.
> 2 it came a day early and without a dent > 2 the driver carried it up to the fifth floor for {who}
> 1 they left it with the neighbour as I had asked > 1 a message told me the exact hour
> 0 you have to sign on a screen > 0 it went by way of {place} > -1 they rang once and were gone
> -1 it sat in a depot for {n} days > -1 the box had a dent on one side
> -2 it was thrown over the fence and everything broke > -2 it is lost and nobody cares
> -2 they say I signed for it, I was abroad
! Impressive: my parcel has seen more of the country than I have. ! Thanks for the free puzzle, it used to be a vase.
! So careful with it that they kept it for a month. ! Wonderful service, I only had to stay at home for three days.
= 2 the only company I trust now = 1 would use it again = 1 no trouble at all = 0 it arrived
= -1 not my first choice any more = -2 never again with them = -2 avoid
"""

APP = """
interface | clear, tidy, simple | a joy, beautiful | cluttered, confusing, dated | a maze, hideous | like every other
search | fast, accurate | brilliant | slow, picky, odd | broken, useless | a text field
sync | reliable, quick | flawless | slow, moody | a catastrophe | every {n} hours
export | easy, complete | perfect | clumsy, limited | broken | to a spreadsheet
support | quick, friendly, competent | outstanding | slow, evasive | non-existent | by mail only
latest update | welcome, solid, sensible | brilliant | annoying, rushed, needless | a disaster | mostly new icons
free version | generous, good enough | incredible | limited, nagging | worthless | with a banner at the bottom
notifications+ | useful, discreet | spot on | late, pushy, random | maddening | off by default
@ Using it since {month}. @ Installed it on {n} machines. @ We use it at the office in {place}.
@ Recommended by {who}. @ On an old tablet. @ I track my runs with it. @ I keep the accounts of our club with it.
@ Paid for a year. @ Moved here from another app.
> 2 it saved me {n} hours a week > 2 I wrote about a bug and it was fixed the next morning > 1 it opens in a second
> 1 it has never lost anything of mine > 0 you need an account > 0 there is a dark mode
> -1 it asks for a rating all the time > -1 it logs me out every {day} > -1 the button that I need is three menus deep
> -2 it deleted {n} years of notes > -2 it crashes at every start since the update
> -2 they took the money and locked my account
! Great app to learn patience. ! Love the new update, I had far too much free space on the screen.
! Perfect, if you never need to find anything again. ! The crashes are very reliable, I will give it that.
= 2 could not work without it = 2 worth every cent = 1 does its job well = 1 I recommend it
= 0 let us see what the next version brings = -1 not worth the subscription = -2 uninstalled = -2 stay clear of it
"""

BOOK = """
story | touching, exciting, well told | unforgettable, magnificent | slow, confused, thin | nonsense | set in {place}
style | elegant, clear, warm | exquisite | dry, stiff, wordy | unreadable | plain
heroine | likeable, believable, brave | wonderful | flat, whiny, vague | insufferable | a doctor, as in her last book
translation | fluent, careful | brilliant | clumsy, uneven | full of mistakes | from the English
chapters+ | short, well built | masterly | long, uneven | endless | numbered, not named
print | clear, large | beautiful | faint, tiny | illegible | on thin paper
first part | gripping, promising, lively | dazzling | tedious, slow | a waste of paper | about the family
maps+ | useful, pretty | superb | blurry, small | upside down | at the end
@ Read it in {n} days. @ A present for {who}. @ Our reading group chose it. @ Bought it at the station in {place}.
@ The fourth of the series. @ Read it on holiday in {month}. @ {n}00 pages. @ Listened to the audio version.
@ I had loved her first novel.
> 2 I read the last hundred pages in one night > 2 I have given it to everybody I know > 1 I learned a lot about bees
> 1 {who} and I talked about it for days > 0 it plays in two centuries > 0 there is a list of names at the back
> -1 I had to start three times > -1 the big secret is plain by page {n}0 > -1 it needed an editor
> -2 pages {n}0 to {n}9 were missing > -2 I gave up and put it in the paper bin > -2 it is copied from better books
! Excellent remedy for sleepless nights. ! A real page turner, I turned them to see when it ends.
! Makes a great doorstop. ! How brave to publish the first draft.
= 2 my book of the year = 2 read it = 1 I will read the next one too = 1 recommended = 0 fine for the train
= -1 borrow it, do not buy it = -2 a waste of time = -2 I want my money back
"""

COURSE = """
teacher | patient, clear, encouraging | inspiring, brilliant | vague, dull | hopeless, insulting | new this term
material | useful, up to date, well sorted | outstanding | dated, thin, messy | full of errors | on paper
group | friendly, small, motivated | fantastic | too big, noisy, uneven | unbearable | {n} people
exercises+ | practical, fun, well chosen | perfect | dull, easy, random | pointless | from the book
pace | right, steady, comfortable | ideal | hurried, slow, uneven | absurd | one unit a week
room | bright, quiet, modern | splendid | stuffy, cold, dark | a cellar without a window | on the second floor
organisation | smooth, clear | flawless | messy, slow | a shambles | by a young team
fee | fair, modest | a bargain | high, steep | a scandal | paid in two parts
@ Evening class in {place}, {n} weeks. @ Took it with {who}. @ Beginners' course. @ Every {day} from six to eight.
@ Online, in {month}. @ My employer paid. @ Third course at this school. @ I wanted to brush up my Spanish.
@ There were {n} of us.
> 2 I passed the exam with the best mark > 2 after {n} weeks I gave my first talk
> 1 I got an answer to every question > 1 we still meet once a month > 0 there is homework
> 0 they hand out a certificate > -1 {n} lessons were cancelled > -1 we never got through the book
> -1 the videos stop in mid-sentence > -2 the teacher did not turn up three times and they keep the fee
> -2 I know less than before > -2 they made fun of people who asked
! What a thrill to watch somebody read slides for two hours. ! Learned a lot, mainly how long ninety minutes can be.
! Fantastic, I can now say hello in six different wrong ways. ! They call it intensive because the room smells.
= 2 I have signed up for the next level = 2 cannot praise it enough = 1 good value = 1 would recommend it
= 0 it was what it was = -1 you learn as much from a book = -2 save your money = -2 a fraud
"""

DOMAINS = ("hotel", "restaurant", "phone", "film", "parcel", "app", "book", "course")
PRESENT = ("phone", "app", "book")  # still in use when the review is written

SLOTS = """
n | 2, 3, 4, 5, 6, 7, 8
room | 112, 207, 214, 301, 318, 405, 522
month | January, February, March, April, May, June, July, August, September, October, November, December
day | Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday
place | Porto, Leeds, Ghent, Graz, Turin, Lyon, Cork, Bergen, Gdansk, Vienna, Seville, Utrecht, Riga, Bern, Naples
who | my wife, my husband, my mother, my father, my sister, my son, my daughter, my neighbour, a friend, my boss
who | an old friend, my aunt, my grandmother, my flatmate, my cousin, a colleague
"""

CONTRACTIONS = {
    **{f"{verb} not": f"{verb}n't" for verb in ("was", "were", "is", "are", "did", "do")},
    "cannot": "can't",
    "I am": "I'm",
    "I have": "I've",
    "I would": "I'd",
    "it is": "it's",
}
