#!/usr/bin/env python3
"""Write the sample data beside this file: tickets and reviews with their labels, and dates with the same in ISO 8601.

Every text is made up by the small grammars below, every date by make_dates.py; nothing is taken from a data set. In a
pattern, `[a|b|]` picks one alternative (the last one here is empty), `{name}` puts in a pattern of SLOTS, `~` stands
for a digit and `^` for one of 1 to 9.

    python data/make_samples.py             write the files
    python data/make_samples.py --check     exit 1 if a file differs from what would be written
"""

import argparse
import csv
import io
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from make_dates import date_pairs

Row = tuple[str, str]  # text and label, source and target
Item = TypeVar("Item")

TICKETS_FILE = "support_tickets.csv"
TICKETS_TEST_FILE = "support_tickets_test.csv"
REVIEWS_FILE = "hotel_reviews_zh.csv"
DATES_FILE = "dates.csv"
DATES_TEST_FILE = "dates_test.csv"
SEED = 20240517
LABEL_HEADER, PAIR_HEADER = ("text", "label"), ("source", "target")
NOISE = 0.02  # share of rows with a wrong label, as people who label by hand leave them
RESENT = 0.003  # share of tickets that a customer sent twice

TICKET_COUNTS = {
    "delivery_delay": 400,
    "refund_request": 350,
    "technical_problem": 330,
    "product_information": 300,
    "damaged_item": 280,
    "password_reset": 270,
    "payment_failed": 250,
    "invoice_question": 220,
    "cancel_subscription": 200,
    "change_address": 150,
    "compliment": 130,
    "account_closure": 120,
}
REVIEW_COUNTS = {"好评": 660, "差评": 540}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with `--check` compare them with what would be written."""
    parser = argparse.ArgumentParser(description="Write the sample data beside this script.")
    parser.add_argument(
        "--check", action="store_true", help="compare the files instead of writing; exit 1 if they differ"
    )
    check = parser.parse_args(arguments).check
    stale = []
    files = {
        TICKETS_FILE: support_tickets(),
        TICKETS_TEST_FILE: support_tickets_test(),
        REVIEWS_FILE: hotel_reviews(),
        DATES_FILE: dates(),
        DATES_TEST_FILE: dates_test(),
    }
    for name, rows in files.items():
        path = Path(__file__).with_name(name)
        content = to_csv(rows, PAIR_HEADER if name in (DATES_FILE, DATES_TEST_FILE) else LABEL_HEADER)
        if not check:
            path.write_bytes(content)
            print(f"wrote {path} ({len(rows)} rows)")
        elif not path.exists() or path.read_bytes() != content:
            stale.append(name)
    if stale:
        print(f"not what make_samples.py writes: {', '.join(stale)}; run python data/make_samples.py", file=sys.stderr)
    return 1 if stale else 0


def support_tickets(seed: int = SEED, noise: float = NOISE) -> list[Row]:
    """English customer-service tickets with one of twelve intents. `noise` changes labels only, never texts."""
    return _with_noise(_rows(TICKET_COUNTS, _ticket, RESENT, Dice(seed)), noise, Dice(seed + 1))


def support_tickets_test(seed: int = SEED + 100, noise: float = NOISE) -> list[Row]:
    """Other tickets of the same kind, a fifth as many, to score a model on; none stands in `support_tickets`."""
    counts = {label: count // 5 for label, count in TICKET_COUNTS.items()}
    known = {text for text, _ in support_tickets(noise=0)}
    rows = [row for row in _rows(counts, _ticket, 0.0, Dice(seed)) if row[0] not in known]
    return _with_noise(rows, noise, Dice(seed + 1))


def hotel_reviews(seed: int = SEED, noise: float = NOISE) -> list[Row]:
    """Chinese hotel reviews, good or bad. `noise` changes labels only, never texts."""
    return _with_noise(_rows(REVIEW_COUNTS, _review, 0.0, Dice(seed)), noise, Dice(seed + 1))


def dates(seed: int = SEED, count: int = 4000) -> list[Row]:
    """Dates written in many ways, English and Chinese, and the same in ISO 8601."""
    return date_pairs(count, Dice(seed))


def dates_test(seed: int = SEED + 100, count: int = 600) -> list[Row]:
    """Other dates, to score a model on; none stands in `dates`, in whatever way it is written."""
    return date_pairs(count, Dice(seed), without={date for _, date in dates()})


def to_csv(rows: Sequence[Row], header: Row = LABEL_HEADER) -> bytes:
    """The rows as CSV in UTF-8 with a header line; line breaks within a text stand inside quotes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8")


class Dice:
    """Random choices built on `random()` alone: its sequence is the one that Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """`count` different items in random order (Fisher and Yates)."""
        pool = list(items)
        for position in range(len(pool) - 1, 0, -1):
            other = self.below(position + 1)
            pool[position], pool[other] = pool[other], pool[position]
        return pool[:count]

    def say(self, pattern: str) -> str:
        """Expand a pattern of the grammar."""
        while slot := re.search(r"\{(\w+)\}", pattern):
            pattern = pattern[: slot.start()] + SLOTS[slot[1]] + pattern[slot.end() :]
        while choice := re.search(r"\[([^\[\]]*)\]", pattern):
            pattern = pattern[: choice.start()] + self.pick(choice[1].split("|")) + pattern[choice.end() :]
        pattern = re.sub(r"\^", lambda _: str(1 + self.below(9)), pattern)
        pattern = re.sub("~", lambda _: str(self.below(10)), pattern)
        pattern = re.sub(r" +(?=[,.?!])", "", re.sub(" +", " ", pattern)).strip()
        return re.sub(r"\b([Aa]) (?=[aeioAEIO])", r"\1n ", pattern)


def _rows(counts: dict[str, int], make: Callable[[str, Dice], str], resent: float, dice: Dice) -> list[Row]:
    rows: list[Row] = []
    for label, count in counts.items():
        texts: list[str] = []
        while len(texts) < count:
            if texts and dice.chance(resent):
                texts.append(dice.pick(texts))
            elif (text := make(label, dice)) not in texts:
                texts.append(text)
        rows += [(text, label) for text in texts]
    return dice.sample(rows, len(rows))


def _with_noise(rows: list[Row], noise: float, dice: Dice) -> list[Row]:
    labels = sorted({label for _, label in rows})
    noisy = list(rows)
    for index in dice.sample(range(len(rows)), round(noise * len(rows))):
        text, right = rows[index]
        noisy[index] = (text, dice.pick([label for label in labels if label != right]))
    return noisy


def _ticket(intent: str, dice: Dice) -> str:
    """One ticket of 3 to 60 words: what the customer wants, amid talk of other matters."""
    while True:
        talkative = dice.chance(0.15)
        patterns = [dice.pick(INTENTS[intent]["asks"])]
        if talkative or dice.chance(0.3):
            patterns += dice.sample(INTENTS[intent]["details"], 1 + talkative)
        if talkative or dice.chance(0.5):
            others = [name for name in INTENTS if name != intent]
            patterns += [dice.pick(INTENTS[other]["asides"]) for other in dice.sample(others, 1 + talkative)]
        if talkative or dice.chance(0.35):
            patterns += dice.sample(SMALL_TALK, 1 + talkative)
        if dice.chance(0.08):
            # The very words of another intent, but settled long ago: only the order of the words tells.
            other = dice.pick([name for name in INTENTS if name != intent])
            patterns.append(dice.pick(SETTLED).replace("{earlier}", dice.say(dice.pick(INTENTS[other]["asks"]))))
        sentences = [dice.say(pattern) for pattern in dice.sample(patterns, len(patterns))]
        text = dice.pick((" ", " ", " ", " ", "\n")).join(_sentence(sentence) for sentence in sentences)
        if dice.chance(0.4):
            text = dice.say(dice.pick(GREETINGS)) + dice.pick((" ", " ", "\n", "\n\n")) + text
        if dice.chance(0.3):
            text += dice.pick((" ", " ", "\n")) + dice.say(dice.pick(CLOSINGS))
        if 3 <= len(text.split()) <= 60:
            return _typing_habits(text, dice)


def _sentence(text: str) -> str:
    """Capital first letter, and a mark at the end unless there is one."""
    mark = "?" if text.startswith(("can you", "could you", "would you", "how do I", "how can I")) else "."
    return text[0].upper() + text[1:] + ("" if text[-1] in "?!." else mark)


def _typing_habits(text: str, dice: Dice) -> str:
    if dice.chance(0.25):
        text = " ".join(_typo(word, dice) if dice.chance(0.12) else word for word in text.split(" "))
    if dice.chance(0.16):
        text = text.lower()
    elif dice.chance(0.04):
        text = text.upper()
    if dice.chance(0.08):
        text = re.sub(r"[.,](?=\s|$)", "", text)
    elif dice.chance(0.06):
        text = re.sub(r"[.!?]$", "!!!", text)
    if dice.chance(0.06):
        text += " " + dice.pick(("🙏", "😡", "😕", "👍", "😊", "🤷", "📦", "🙂"))
    return text


def _typo(word: str, dice: Dice) -> str:
    """Swap, drop or double one inner letter; words with digits or fewer than four letters stay as they are."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = 1 + dice.below(len(word) - 2)
    return dice.pick(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )


def _review(label: str, dice: Dice) -> str:
    """One review: mostly points for its label, often one against it, sometimes a verdict."""
    good = label == "好评"
    aspects = dice.sample(sorted(ASPECTS), 2 + dice.below(4))
    # The overall impression never stands against the label: that would be noise, which is added elsewhere.
    against = 1 if len(aspects) > 2 and aspects[0] != "印象" and dice.chance(0.65) else 0
    points = [dice.say(dice.pick(ASPECTS[aspect][0 if good else 1])) for aspect in aspects[against:]]
    contrary = [dice.say(dice.pick(ASPECTS[aspect][1 if good else 0])) for aspect in aspects[:against]]
    if contrary and dice.chance(0.5):
        # Concession first, then what counts: "虽然……，但是……".
        text = (
            dice.say("[虽然|尽管|虽说]") + contrary[0] + dice.say("，[但是|但|不过|可是]") + _chinese_join(points, dice)
        )
    elif contrary:
        text = _chinese_join(points, dice) + dice.say("。[就是|只是|另外|不过]") + contrary[0]
    else:
        text = _chinese_join(points, dice)
    if dice.chance(0.15):
        # Others said the opposite: the words of one label in a review of the other.
        aspect = dice.pick([name for name in sorted(ASPECTS) if name not in aspects])
        rumour = dice.say(dice.pick(ASPECTS[aspect][1 if good else 0]))
        text += dice.say(dice.pick(RUMOURS)).replace("……", rumour)
    if dice.chance(0.45):
        text = dice.say(dice.pick(OCCASIONS)) + "，" + text
    text += dice.pick(("。", "。", "。", "！", "～", ""))
    if dice.chance(0.4):
        text += dice.say(dice.pick(VERDICTS[0 if good else 1]))
    if dice.chance(0.06):
        text += dice.pick(("👍", "😊", "🌟🌟🌟🌟🌟") if good else ("👎", "😡", "🙄", "😊"))
    return text


def _chinese_join(points: list[str], dice: Dice) -> str:
    return "".join(point + dice.pick(("，", "，", "。", "；")) for point in points[:-1]) + points[-1]


SLOTS = {
    "order": "[order|order number|order no.|my order|purchase] [#|][^~~~~~|^~~~~~~|A-~~~~~|DE^~~~~]",
    "product": "[{gadget}|{household}|{clothes}]",
    "gadget": "[headset|smart watch|keyboard|phone case|tablet|e-reader|speaker|charger|router|webcam|printer]",
    "household": "[kettle|desk lamp|coffee machine|office chair|vacuum cleaner|blanket|rice"
    " cooker|mirror|vase|toaster]",
    "clothes": "[winter jacket|raincoat|backpack|sweater|pair of boots|dress|scarf|hat]",
    "day": "[Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|yesterday|this morning|last night|last week]",
    "date": "[^ [January|March|April|June|July|September|October|December]|the 1^th|1~/0^]",
    "amount": "[$^~.~~|€^~|£^~.~9|^~~ euros|^~ dollars|^~,50 EUR]",
    "ago": "[^ days|two weeks|a week|a month|10 days|three weeks]",
    "street": "^~ [Mill Lane|Station Road|Park Avenue|Church Street|Garden Close|Harbour Street]",
    "town": "[Leeds|Utrecht|Boston|Dublin|Graz|Porto|Ottawa|Hamburg|Lyon]",
    "subscription": "[subscription|membership|monthly plan|premium plan|yearly plan|abo]",
    "parcel": "[parcel|package|delivery|shipment|order|{product}]",
    "please": "[please|pls|kindly|could you|can you|would you]",
    "card": "[Visa|credit card|debit card|Mastercard|PayPal|bank card|card]",
    "device": "[iPhone|Android phone|laptop|tablet|Windows PC|Mac|TV]",
    "want": "[I want to|I would like to|I'd like to|I need to|I wish to|how do I|how can I]",
}

GREETINGS = (
    "[Hi|Hello|Hey|Good morning|Good afternoon|Dear Sir or Madam|Dear team|Hi there|Hello support]" + "[,|!|]",
    "[To whom it may concern|Dear customer service|Dear support team],",
)

CLOSINGS = (
    "[Thanks|Thank you|Thx|Cheers|Many thanks|Thanks in advance|Best regards|Kind regards|Regards|Yours]"
    + "[, [Anna|Tom|Maria|J. Smith|Lena|Omar|Yuki|Priya|P. Novak]|!|.]",
    "[Please reply soon|Waiting for your answer|Hope to hear from you|Let me know|Please help asap].",
)

SETTLED = (
    '[my last ticket was|last month I wrote|{day} I asked] "{earlier}" [and that is solved|and you helped me|'
    ", all done]",
    '[this is not about|forget|ignore] my [earlier|last|old] [message|ticket|mail] "{earlier}"',
    'I [no longer|do not] [have the problem|need help with] "{earlier}"',
)

SMALL_TALK = (
    "I have been [a customer|with you|shopping here] for [^ years|a long time|many years]",
    "[this is|it's] [my second|already my third|the ^th] [message|mail|ticket] [about this|]",
    "I [called|phoned|wrote to] [you|your hotline|the chat] {day} [and nobody answered|but got no answer|already|]",
    'your [chat bot|hotline|colleague] [told me|said] "[please write to us|we are working on it|use the form]"',
    "[it concerns|this is about|regarding|my reference is] {order}",
    "[sorry for my English|sorry to bother you|not sure if this is the right place to ask]",
    "I bought [a|the|my] {product} [for {amount}|from your shop|on {date}|{ago} ago|as a gift]",
    "[maybe you can help|hope you can help me|I need some help here]",
    "[my wife|my husband|my son|my mother|a colleague] [recommended|told me about|also uses] your [shop|app|site]",
)

# asks: the wish itself. details: what goes with it. asides: how tickets about something else mention the subject.
INTENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "refund_request": {
        "asks": (
            "I [want|would like|demand|expect|am asking for] [my money back|a full refund|a refund|a reimbursement]"
            " [for the {product}|for {order}|of {amount}|]",
            "{please} [refund|reimburse|pay back|return] [the {amount}|my money|the full price|what I paid]",
            "how do I [return|send back] the {product} and [get my money back|get refunded]?",
            "[when|how long until] [will I get|do I get|can I expect] [my money|the refund|the {amount}] [back|]?",
            "[I returned|I sent back] the {product} {ago} ago and [still have not received|am waiting for]"
            " [the money|{amount}]",
            "the {product} [does not fit|is not what I expected|is too small|was a mistake],"
            " I [return it|don't want it] and [want the {amount} back|ask for the money]",
            "[is it possible|am I entitled] to get [the purchase price|the money|{amount}] back?",
        ),
        "details": (
            "[it is unused and still in the box|the tags are still on it|I have the receipt]",
            "{please} [transfer|credit] it to [my {card}|the account I paid from]",
            'your [site|shop] [says|promises] "30 days, no questions asked"',
        ),
        "asides": (
            "I [don't want|do not need|am not asking for] [a refund|my money back][, by the way| yet|]",
            "[the refund|the money] for [the last order|my {product}] [arrived fine|has been paid], [thanks|so"
            " that is done]",
            "[otherwise|if not] I [will want|have to ask for] my money back",
            "you [refunded|paid back] {amount} {ago} ago",
        ),
    },
    "password_reset": {
        "asks": (
            "[I forgot|I forgot|I've lost|I can't remember] my [password|login|passwort|pin|login details]",
            "{please} [reset|send me a new|help me reset] [my|the] password [for my account|]",
            "[the reset link|the password mail|the reset code] [never arrives|has expired|does not come|goes nowhere]",
            "I [can't|cannot|am unable to] [log in|sign in|get into my account][, it says wrong password| anymore|]",
            "how [can I|do I] [change|reset|recover] [my password|my login|the pass word]?",
            "[my account is locked|I am locked out|it locked me out] after [three|too many|^] [wrong tries|attempts]",
            "[need|I need] a new password, [the old one is not accepted|the old one no longer works]",
        ),
        "details": (
            "[I checked the spam folder too|nothing in spam either]",
            "my user name is [still the same|anna~~|tom.b~|my mail address]",
            "[the two factor code|the SMS code] [is not sent|goes to my old number]",
        ),
        "asides": (
            "I [reset|changed] my password {day} [and that worked|], [so that is not it|]",
            "I [can log in|remember my password|am logged in] [fine|without trouble]",
            "[after|since] [I logged in|the login] [{day}|with my new password] I [saw|noticed] this",
        ),
    },
    "delivery_delay": {
        "asks": (
            "where is my {parcel}?",
            "my {parcel} [has not arrived|still isn't here|did not come|never showed up|is late] [yet|since {day}|]",
            "I [ordered|bought] a {product} {ago} ago and [nothing has come|am still waiting|it is not here yet]",
            '[the tracking|tracking number|the status] [has not changed|says "in transit"|shows nothing]'
            " [since {day}|for {ago}]",
            "[when|what day] will [my|the] {parcel} [be delivered|arrive|get here|be shipped|come]?",
            "the {parcel} [should have been here|was promised for|was due] {day}[, what is going on?|]",
            "the courier [did not ring|never came|left no note|says the address was closed], [where is it"
            " now?|so no parcel]",
            "[waiting|I have been waiting] [for {ago}|since {date}] for [my|the] {parcel}",
        ),
        "details": (
            "[express shipping|next day delivery] [was promised|cost me {amount} extra]",
            "I [need it for|wanted it for] [a birthday|my holiday|my new flat|next week]",
            "[the neighbours don't have it either|it is not at the pick-up point]",
        ),
        "asides": (
            "my {parcel} [came late|arrived a week late|took {ago}|finally arrived {day}]",
            "[the delivery was fast|the parcel came on time|it was delivered {day}]",
            "[I know the {parcel} is not due yet|no hurry with the delivery]",
        ),
    },
    "damaged_item": {
        "asks": (
            "the {product} [arrived|came|was delivered] [broken|damaged|cracked|in pieces|scratched|dented|torn]",
            "[there is|I found] [a crack|a big scratch|a dent|a hole|a stain] [in|on] the [new|] {product}",
            "the [box|packaging|parcel] was [crushed|wet|open] and the {product} is [broken|damaged|ruined|bent]",
            "[one part|a piece|the lid|the handle|a button] [is missing|is broken|fell off] [on|of] my [new|]"
            " {product}",
            "I [received|got|unpacked] a [broken|faulty|damaged|defective|used] {product}, {please} [replace"
            " it|send another][?|]",
            "my {product} [was dead on arrival|does not turn on|smells burnt|leaks] [right out of the"
            " box|since day one]",
            "{please} [exchange|replace] the [broken|cracked|damaged] {product}",
        ),
        "details": (
            "[photos are attached|see the picture|I can send photos]",
            "[I need a replacement, not the money|{please} send a new one]",
            "[the driver just threw it over the fence|it was badly wrapped]",
        ),
        "asides": (
            "[the box|the packaging] was [a bit dented|torn|wet] but [the {product} is fine|nothing is broken]",
            "the [first|last] {product} [came broken|was damaged] [and you replaced it quickly|, that was settled]",
            "[nothing is broken|it is not damaged][, don't worry|]",
        ),
    },
    "cancel_subscription": {
        "asks": (
            "{want} [cancel|end|stop|terminate|quit] my {subscription}",
            "{please} [cancel|stop|end] [my|the] {subscription} [at the end of the month|from {date}|immediately|]",
            "I [no longer need|don't use|don't want] the {subscription} [anymore|], [stop it|please end it|cancel]",
            "[do not renew|please do not extend|stop renewing] my {subscription}",
            "[where is|I can't find] the [button|page|form] to [cancel|unsubscribe from|end] the {subscription}",
            "[my trial|the free trial|the test month] [ended|was over] {day} and I [do not want to"
            " continue|won't keep it]",
            "I [hereby give notice|give notice] [for|to end] my {subscription}",
        ),
        "details": (
            "[keep my account though|I want to keep my account and my orders]",
            "{please} [confirm|send a confirmation] [in writing|by mail]",
            "{amount} [a month|every month] is [too expensive|too much] [for me|]",
        ),
        "asides": (
            "I [cancelled|ended] my {subscription} [{ago} ago|{day}|last year]",
            "I [am happy to keep|just renewed|want to keep] my {subscription}",
            "I have [a|the] {subscription} [since {date}|with you|for {amount}]",
        ),
    },
    "invoice_question": {
        "asks": (
            "[could you send|please send|I need|I never got] [the invoice|a bill|the receipt|an invoice with"
            " VAT] [for {order}|]",
            "[my invoice|the bill|the invoice] [shows|lists|says] {amount} [but I expected|instead of] {amount}",
            "[why is|what is] [there a charge of {amount}|the fee of {amount}|this item] on my"
            " [bill|invoice|statement]?",
            "[the VAT number|the company name|the billing address|the tax] on the invoice [is wrong|is missing]",
            "[where can I|how do I] [download|find|print] [my invoice|the receipt|my bills]?",
            "I [was charged|was billed|have been charged] [twice|too much|double] [on the bill|for {order}|],"
            " {please} explain[?|]",
            "our [accounting|bookkeeper|tax office] needs [an invoice|a proper bill|a corrected invoice]",
        ),
        "details": (
            "[it is for my taxes|our company must file it]",
            "the invoice [number|] is [~~~~~|R-~~~~|2024-~~~]",
            "[the discount of ^~%|the voucher] [is not on it|was forgotten]",
        ),
        "asides": (
            "[the invoice|the bill] [is correct|came by mail|is paid]",
            "I [paid|settled] the [invoice|bill] {day}",
            "[on the invoice|the receipt says] [it was {amount}|it is {order}]",
        ),
    },
    "change_address": {
        "asks": (
            "[I moved|I have moved|we are moving] to {town}, {please} [update|change] my [address|details]",
            "my new address is {street}, {town}",
            "{please} [change|correct|update] the [delivery|shipping|postal|] address [of {order}|to {street}|]",
            "[can|could] you [send|deliver|ship] {order} to [another address|my office|{street}] instead?",
            "I [entered|typed|gave] [the wrong|an old|the wrong] [address|street|house number|postcode] [for {order}|]",
            "{want} [change|edit|update] [my address|where my parcels go|the delivery address] [in my account|]",
        ),
        "details": (
            "[the old one|the old address] was {street}",
            "[it has not been shipped yet|hopefully it is not on its way]",
            "valid from {date}",
        ),
        "asides": (
            "[my address|the address] [is correct|has not changed|is still {street}]",
            "I [moved|changed my address] [{ago} ago|last year][, and that is all updated|]",
            "I live [in {town}|at {street}]",
        ),
    },
    "product_information": {
        "asks": (
            "[does|will] the {product} [work with|fit|support|connect to] [my {device}|110 volts|Bluetooth|USB-C]?",
            "[when will|will] the {product} be [back in stock|available again|available in black|sold in {town}]?",
            "[what size|how long|how heavy|what colour] is the {product} [really|exactly|on the picture|]?",
            "is the {product} [waterproof|made of leather|washable|made in Europe|suitable for children|vegan]?",
            "what is the difference between the [old|cheap|small] and the [new|pro|large] {product}?",
            "[how long is|what about] the [warranty|guarantee|battery life] [of|on|for] the {product}?",
            "[do you have|do you sell|can I get] [spare parts|a bigger size|another colour|a manual] for the"
            " {product}?",
            "I am [thinking of buying|interested in] the {product}[, any advice?|, is it good for travel?|, is"
            " it in stock?]",
        ),
        "details": (
            "[the page does not say|I could not find it in the description]",
            "I [wear size 4^|have a {device}|need it for travelling]",
            "[before I order|before I buy] I want to [be sure|know]",
        ),
        "asides": (
            "[the description says|your page says] [it is waterproof|it fits my {device}|size M]",
            "the {product} [in black|in size L|with the long cable]",
            "[is|and is] the {product} still in stock[, just wondering|]?",
        ),
    },
    "payment_failed": {
        "asks": (
            "my [payment|{card}] [was declined|was rejected|failed|does not go through|is not accepted]",
            "I [can't|cannot|am not able to] pay [with my {card}|for {order}|at checkout]",
            '[the checkout|the payment page] [says|shows] "[payment failed|transaction declined|error ~~~]"',
            "[money|{amount}] [left my account|was taken] but the [order|payment] [was not confirmed|shows as"
            " failed|is open]",
            "[tried|I tried] [to pay|paying] [three|^] times with [my {card}|two cards][, always an error|, no luck|]",
            "why [is|was] my {card} [refused|declined|rejected]?",
            "{please} [check|help], [the transfer|the payment] of {amount} [bounced|did not go through][?|]",
        ),
        "details": (
            "[my bank says everything is fine|there is enough money on the account]",
            "[the card expires next year|I got a new card]",
            "[can I pay by invoice instead?|is bank transfer possible?]",
        ),
        "asides": (
            "I paid [with my {card}|by {card}|{amount}] [{day}|without problems|]",
            "the payment [worked|went through] [fine|at once|{day}]",
            "[my {card}|the card] [was charged|is on file] [{day}|]",
        ),
    },
    "account_closure": {
        "asks": (
            "{please} [delete|close|remove|erase] my [account|profile|user account] [completely|and all my data|]",
            "{want} [delete|close|remove|get rid of] my [account|profile|customer account]",
            "I [don't shop here|am not coming back|won't be using this] [anymore|any longer], [close|delete]"
            " my account",
            "[under the GDPR|by law] I [ask|request] that you [erase|delete] [all my personal data|everything"
            " about me]",
            "[remove|take] [my data|my mail address|me] from [your system|your database|your files] [for good|]",
            "[why can't I|where can I|is there a way to] [delete|close|deactivate] [my|this] [account|profile]?",
        ),
        "details": (
            "{please} confirm the deletion[ by mail|]",
            "[I have no open orders|all bills are paid]",
            "[I have two accounts by accident|I worry about my data]",
        ),
        "asides": (
            "[please don't close my account|I don't want to close my account|I keep my account]",
            "I [nearly deleted my account|thought about closing my account]",
            "[my account|my profile] [exists since {date}|shows nothing|is verified]",
        ),
    },
    "technical_problem": {
        "asks": (
            "[the app|your app|the website|the site|your page] [crashes|freezes|hangs|is very slow|stays"
            " blank] [on my {device}|]",
            "[since|after] the [update|last update|new version] [the app does not open|nothing works|it keeps"
            " crashing]",
            'I [get|see] [error ~~~|a white screen|"server error"|an error message] when I [open my'
            " orders|search|tap the cart]",
            "the [search|filter|shopping cart|menu|upload|chat|newsletter link] [is broken|does not work|does nothing]",
            "the {gadget} [does not connect|loses the connection|won't pair] [to my {device}|with the app|]",
            "[the pictures|the pages|my orders] [do not load|are not shown|take forever] [on my {device}|in the app|]",
            "[can't|I cannot] [install|open|update|download] the [app|software|firmware] [on my {device}|]",
        ),
        "details": (
            "[I restarted|I reinstalled it|I cleared the cache] and [nothing changed|same thing]",
            "[version ^.~|the latest version], [Chrome|Firefox|Safari]",
            "[it worked until {day}|it happens every time]",
        ),
        "asides": (
            "[the website|the app] [was slow|crashed once] [{day}|] but [works again|that is fine now]",
            "I [use|am using] [the app|the website] on my {device}",
            "[the app says so|I saw it in the app|the app shows {order}]",
        ),
    },
    "compliment": {
        "asks": (
            "[great|excellent|fantastic|wonderful|top] [service|support|shop|job][, thank you|, keep it up|]!",
            "I [just wanted to say thanks|want to thank you|would like to praise] [your team|the support|Lisa"
            " from the hotline|]",
            "[very happy|so pleased|delighted] with [my {product}|the {product}|your service|the fast help]",
            "the {product} is [perfect|even better than expected|lovely|just what I wanted]",
            "[your colleague|the lady on the phone|the driver] was [so kind|very helpful|great|patient and friendly]",
            "[everything went smoothly|best shop ever|five stars from me], [will order again|highly"
            " recommended|well done]",
        ),
        "details": (
            "[I will tell my friends|I will be back]",
            "[no complaint this time|nothing to complain about]",
            "[my mother loves it|the kids love it]",
        ),
        "asides": (
            "[normally|usually] [I am very happy with you|your service is great]",
            "[great service so far|I love your shop], [but|however] [this is odd|here is my problem]",
            "[thanks|thank you] for [the quick help|your kind reply] {day}",
        ),
    },
}

OCCASIONS = (
    "[这次|上周|国庆|五一|暑假|周末|^月份][带孩子|和家人|和朋友|跟同事|一个人|陪父母]来[旅游|玩|出差|住了^晚]",
    "[第一次|第二次|第三次|不知道第几次]住[这家|这家酒店|他们家]",
    "[出差|路过|开会|看病|考试]住了[一|两|三|^]晚",
    "[朋友推荐的|网上看评分订的|临时订的|提前^天订的]",
    "[订的是|住的][大床房|双床房|家庭房|海景房|商务标间]",
)

# What others said, with the point they made in place of the dots, and that it is not so.
RUMOURS = (
    "。[评论|网上|别人|朋友]说“……”，[其实不是|完全不是这样|我没遇到|并非如此]",
    "。[什么|所谓]“……”，[根本不存在|我可没看到|没那回事]",
)

# For every aspect: good points, then bad points. Many good ones are negated bad words, and the other way round.
ASPECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "位置": (
        (
            "位置[很好|不错|方便|没得说]，[离地铁站|离火车站|到景区][不远|走路^分钟|很近]",
            "[出门|楼下]就是[地铁|小吃街|商场|公交站][，很方便|]",
            "[找起来一点也不难|打车不贵|周边吃饭不用愁]",
        ),
        (
            "位置[太偏|不好找|不方便|有点偏]，[离地铁站|离火车站|到景区][很远|走路要[三|四]十分钟|不近]",
            "[周边|附近][什么都没有|连个超市都没有|没有吃饭的地方]",
            "[说是离地铁很近|写着靠近景区]，[其实|结果][一点也不近|走了半小时]",
        ),
    ),
    "房间": (
        (
            "房间[很大|宽敞|干净|挺新|温馨|比照片好看]",
            "[床|床垫|枕头][很舒服|软硬合适]，[睡得很香|一觉到天亮]",
            "房间[不算大但够用|没有异味|并不像评论里说的那么小]",
        ),
        (
            "房间[太小|很旧|阴暗|潮湿|跟照片不一样]",
            "[床|床垫|枕头][太硬|太软|不舒服|塌下去了]，[睡得腰疼|没睡好|一夜没睡]",
            "房间[没有窗户|有股异味|并没有照片上那么大|一点也不宽敞]",
        ),
    ),
    "卫生": (
        (
            "[卫生|打扫|床单][很干净|做得不错|让人放心]",
            "[没看到一根头发|一点灰尘都没有|床单没有污渍]",
            "卫生间[很干净|没有味道|干湿分离，不脏]",
        ),
        (
            "[卫生|打扫|床单][很差|不干净|不敢恭维|让人恶心]",
            "[床单上有头发|地毯上都是污渍|墙角有蟑螂|毛巾发黄]",
            "卫生间[有股臭味|不太干净|下水道堵了|地上全是水]",
        ),
    ),
    "服务": (
        (
            "[前台|服务员|工作人员|保洁阿姨][很热情|态度好|有礼貌|特别耐心]",
            "[前台小姐姐|管家|门童][主动帮忙拿行李|给我们升级了房型|送了水果]",
            "[有问题|打个电话]马上[就解决了|有人来处理]，[一点也不拖|没让我们等]",
            "[前台|服务员][没有不耐烦|从来不摆脸色]",
        ),
        (
            "[前台|服务员|工作人员|保安][很冷淡|态度差|爱理不理|没有礼貌]",
            "[前台|管家][叫了半天没人|一问三不知|让我们等了^~分钟]",
            "[打了^次电话|投诉了两次]都[没人处理|没有解决|没人接]",
            "[前台|服务员][谈不上热情|一点也不耐心|不愿意帮忙]",
        ),
    ),
    "早餐": (
        (
            "早餐[丰富|很好吃|种类多|不错|有现做的面]",
            "早餐[没有让人失望|比想象中好|花样不少]",
            "[孩子|老人]很喜欢[这里的早餐|早餐的豆浆|餐厅的点心]",
        ),
        (
            "早餐[单一|难吃|是凉的|种类少|不怎么样]",
            "早餐[没什么可吃的|让人失望|算不上丰富|没有传说中好吃]",
            "[八点|九点]去[早餐就没了|餐厅已经没菜了|连鸡蛋都没有]",
        ),
    ),
    "隔音": (
        (
            "[晚上|夜里]很安静，[隔音好|睡得踏实]",
            "[虽然临街|靠着马路]但[不吵|一点也不吵|听不到声音]",
            "隔音[不错|比预想的好|没问题]",
        ),
        (
            "[晚上|半夜]很吵，[隔音差|根本没法睡]",
            "[隔壁说话|走廊脚步声|楼上拖椅子][听得清清楚楚|吵到两点]",
            "隔音[不行|几乎没有|不敢说好]",
        ),
    ),
    "价格": (
        (
            "[性价比高|价格实惠|这个价位很值|^~~块不贵]",
            "[价格不便宜但是值|没有乱收费|比旁边的酒店便宜]",
        ),
        (
            "[性价比低|价格偏高|不值这个价|^~~块太贵了]",
            "[便宜没好货|押金拖着不退|乱收费|说好的优惠没有给]",
        ),
    ),
    "设施": (
        (
            "[wifi|WiFi|网速][很快|稳定|不卡]",
            "[空调|热水|电视|电梯][好用|很给力|没有问题|很新]",
            "[停车方便|有健身房|有免费停车场|有儿童乐园|check in很快]",
        ),
        (
            "[wifi|WiFi|网速][很慢|连不上|一直掉线|卡得不行]",
            "[空调|热水|电视|电梯][坏了|不好用|不给力|太老了|时好时坏]",
            "[停车不方便|没有电梯|停车要另外收费|插座没电|check in排队^~分钟]",
        ),
    ),
    "印象": (
        (
            "[整体|总体|总的来说][满意|不错|很好|没什么可挑剔的]",
            "[没有踩雷|没有失望|超出预期|体验很好|OK]",
        ),
        (
            "[整体|总体|总的来说][失望|不满意|很一般|没什么值得夸的]",
            "[踩雷了|跟预期差太远|体验很差|不太OK]",
        ),
    ),
}

VERDICTS = (
    (
        "[下次还来|下次还会选这里|还会再来|会推荐给朋友|五星好评|值得推荐|不后悔选了这里]。",
        "[给^~分以上都不过分|没理由不给好评|不推荐都说不过去|小问题不影响心情]！",
        "[别听差评的|别被差评吓到]，[放心住|真的可以]。",
    ),
    (
        "[下次不来了|不会再来|不会推荐给朋友|一星都嫌多|不值得推荐|后悔选了这里]。",
        "[给零分都不过分|没理由给好评|谁推荐谁负责|好心情全没了]！",
        "[别信好评|别被照片骗了]，[千万别住|真的不行]。",
    ),
)

if __name__ == "__main__":
    sys.exit(main())
