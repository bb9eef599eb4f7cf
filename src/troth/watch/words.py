"""The words that the reading of practices knows, in general terms: who, what with, whose, to whom.

Everything is compared with tokens that ``tokens.tokenise`` made: lower case, and a few phrases folded into one word
(``artificial intelligence`` is ``ai``, ``machine learning`` is ``ml``, ``fine-tune`` is ``finetune``).
"""

from __future__ import annotations

from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# --- artificial intelligence --------------------------------------------------------------------

AI: Final = _set("ai ais ml llm llms genai gpt chatgpt grok gemini copilot")
MODEL: Final = _set("model models algorithm algorithms classifier classifiers neural")
AI_CORE: Final = AI | MODEL
TECHNOLOGY: Final = _set(
    "system systems technology technologies tool tools software engine engines chatbot chatbots"
    " bot bots assistant"
    " generator generators assistants filter filters network networks capabilities capability intelligence agents agent"
    " recognition detection transcription"
)
FEATURE: Final = _set(
    "feature features product products service services offering offerings experience"
    " experiences functionality"
    " functionalities application applications app apps solution solutions platform"
)
TRAIN: Final = _set(
    "train trains training trained retrain retrains retraining retrained finetune finetunes"
    " finetuning finetuned"
    " pretrain pretrains pretraining pretrained teach teaches teaching distill distilling distil grounding"
)
TRAIN_NOUN: Final = _set("training retraining finetuning pretraining grounding")
BUILD: Final = _set(
    "develop develops developing developed improve improves improving improved build builds"
    " building built create"
    " creates creating created enhance enhances enhancing enhanced refine refines refining"
    " refined evaluate evaluates"
    " evaluating test tests testing optimize optimizes optimizing optimise optimises optimising"
    " validate validating"
    " tune tunes tuning tuned advance advancing calibrate calibrating benchmark benchmarking"
    " strengthen strengthening"
    " design designing inform informing feed feeding"
)
BUILD_NOUN: Final = _set(
    "development improvement creation enhancement refinement evaluation validation testing"
    " optimization optimisation"
    " building tuning advancement improvements calibration"
)
HUMAN: Final = _set(
    "staff employee employees personnel agents representatives representative moderators"
    " reviewers people workers"
    " contractors team teams instructors instructor athletes drivers professionals professional"
    " experts expert"
    " officers volunteers courses course sessions session classes class workshops workshop"
    " videos video programs"
    " programme programmes provider providers plans plan lessons lesson certification"
    " certifications events event"
    " seminars webinars guides partners humans human specialists users individuals analysts"
    " annotators colleagues"
    " members trainers curriculum modules schedule students learners material materials resources"
)

TASKS: Final = _set(
    "speech language recognition prediction predictive detection translation transcription recommendation"
    " recommendations ranking vision image images video voice face facial matching handwriting summarisation"
    " summarization diagnostic classification moderation driving self-driving understanding natural generation"
    " code completion suggestion person object search relevance text neural underlying statistical machine"
)
"""What models are for: "our speech recognition models"."""

SENSES: Final = _set(
    "speech language recognition detection translation transcription vision image images voice face facial"
    " matching handwriting driving self-driving neural generation diagnostic"
)
NO_MODEL: Final = _set(
    "business pricing price revenue device devices phone car vehicle role operating licensing subscription"
    " delivery financial economic governance ownership cost funding payment role role-based 3d"
)
"""Other models: "our business model"."""

BOTS: Final = _set("assistant assistants chatbot chatbots bot bots generator generators engine")
PLURAL_FOLK: Final = _set(
    "you users members customers people individuals children students patients riders drivers subscribers visitors"
    " viewers listeners readers sellers buyers creators authors contributors players"
)
TRIES: Final = _set(
    "evaluate evaluates evaluating test tests testing validate validating benchmark benchmarking"
)
GIVES: Final = _set(
    "share shares sharing shared license licenses licensing licensed licence sublicense sell sells selling sold"
    " disclose discloses disclosing disclosed provide providing provided give giving given transfer transfers"
    " transferring transferred available permit allow let obtain access"
)
MAKERS: Final = _set("companies company developers developer labs firms startups researchers creators makers")

# --- who ----------------------------------------------------------------------------------------

READER_NOUNS: Final = _set(
    "user users customer customers member members visitor visitors developer developers licensee licensees"
    " subscriber subscribers anyone nobody person persons individual individuals partner partners publisher"
    " publishers buyer buyers seller sellers merchant merchants host hosts guest guests creator"
    " creators student"
    " students recipient recipients client clients organization organizations organisation"
    " organisations crawlers"
    " crawler bots robots scrapers licensor reader readers participants participant viewer viewers contributor"
    " contributors end-user end-users everyone employees advertiser advertisers owner owners"
)
THIRD_NOUNS: Final = _set(
    "parties partners providers vendors recipients collaborators licensees advertisers"
    " publishers companies subprocessors"
    " sub-processors processors provider vendor partner subcontractors organizations"
    " organisations developers contractors"
    " collaborator recipient party company institutions researchers"
)
AFFILIATE_NOUNS: Final = _set("affiliates affiliate subsidiaries subsidiary parent group sister")
SERVICE_NOUNS: Final = _set(
    "company service platform site app website provider operator licensor controller business"
)
NOT_NAMES: Final = _set(
    "content data information output outputs input inputs prompts prompt posts messages"
    " feedback materials submissions"
    " photos videos images recordings files conversations chats this that these those it they"
    " such which who what there"
    " terms policy section agreement training using use if when where unless and or but as in"
    " on for by with to the a"
    " an any all some each no nothing not each cookies however also please here i he she one"
    " material works work text"
    " model models ai ml llm llms account accounts submission contributions contribution nor"
    " neither results device"
    " devices apps app services service features feature tools tool products product law laws"
    " rights time names profile"
)

# --- modes --------------------------------------------------------------------------------------

MAY: Final = _set("may can could might")
WILL: Final = _set("will shall would do does did is are was were be been has have had must should need needs")
MODAL: Final = MAY | WILL | _set("cannot reserves reserve agree agrees")
NOT: Final = _set("not never cannot nor neither no longer none nobody nothing")
STOPPING: Final = _set(
    "prohibit prohibits prohibited prohibiting forbid forbids forbidden refrain refrains"
    " refraining prevent prevents"
    " preventing ban bans banned disallow disallows disallowed exclude excludes excluded"
    " excluding avoid stop stops"
    " stopped cease ceases ceased unauthorized unauthorised bar bars barred restrict restricts"
    " restricting restricted"
    " prohibition prohibitions without"
)
ASIDE: Final = _set("except unless excluding otherwise")
SUBORDINATE: Final = _set(
    "if when where while whenever as because since once after before unless until whether how wherever"
)

# --- data ---------------------------------------------------------------------------------------

DATA: Final = _set(
    "data information content contents post posts message messages inmail inmails photo photos image images"
    " video videos audio voice"
    " recordings recording text prompts prompt inputs input outputs output conversations"
    " conversation chats chat"
    " interactions interaction activity feedback submissions submission files file documents"
    " document comments comment"
    " searches queries profile profiles details record records contributions contribution"
    " materials material media"
    " likeness songs music code artwork drawings uploads usage history behaviour behavior"
    " communications email emails transcripts"
    " location identifiers biometrics metadata reviews ratings answers questions works creations"
    " transactions purchases orders bookings templates tickets designs tracks lyrics manuscripts drafts"
    " repositories clips footage commands telemetry workouts transcriptions listings resumes correspondence"
    " drawings notes texts work essays assignments consultations statements sessions"
    " recipes routes readings measurements pages"
)
_FOLK: Final = (
    "user member customer learner student patient rider driver passenger traveller guest host visitor subscriber"
    " viewer listener reader seller buyer creator author contributor worker employee applicant candidate player"
    " cardholder policyholder parent child children teen teenager minor adult person people individual"
)
OWNED: Final = _set(
    "your yours their personal user users member members customer customers individuals children child student"
    " my biometric health de-identified deidentified anonymised anonymized"
) | frozenset(f"{one}{mark}" for one in _FOLK.split() for mark in ("'s", "s'"))
SUPPLY: Final = _set(
    "provide provides provided submit submits submitted share shares shared upload uploads"
    " uploaded post posts posted"
    " create creates created give gives gave send sends sent enter enters entered make makes"
    " made use uses used"
    " interact type publish generate store stored choose input disclose have own access visit"
    " view like request write say tell speak watch listen read add import connect record save"
    " do"
)
SERVICE_THINGS: Final = _set(
    "services service site sites platform api apis output outputs materials software website"
    " websites app apps"
    " content documentation model models works sdk technology"
)
GENERIC_SERVICE_THINGS: Final = _set(
    "outputs output api apis materials services service site sites website websites software platform"
)

# --- other practices ----------------------------------------------------------------------------

ACTIONS: Final[dict[str, str]] = {
    word: action
    for action, words in {
        "sell": "sell sells selling sold rent renting",
        "share": "share shares sharing shared disclose discloses disclosing disclosed transfer transfers transferring"
        " transferred disclosure",
        "collect": "collect collects collecting collected gather gathers gathering gathered obtain obtains obtaining"
        " receive"
        " receives receiving record records recording capture captures capturing infer",
        "retain": "retain retains retaining retained keep keeps keeping kept store stores storing stored",
        "profile": "profile profiling personalize personalise personalizing personalising target targeting",
        "scan": "scan scans scanning monitor monitors monitoring track tracks tracking analyze analyzes analyzing"
        " analyse"
        " analyses analysing",
        "combine": "combine combines combining combined link linking",
        "license": "license sublicense sublicensable licence",
        "use": "use used using process processed processing read reads",
    }.items()
    for word in words.split()
}

CATEGORIES: Final[dict[str, str]] = {
    word: category
    for category, words in {
        "message": "message messages chat chats conversation conversations inmail inmails email emails"
        " communications dm dms",
        "post": "post posts comment comments article articles contributions submissions reviews review",
        "profile": "profile profiles bio resume cv",
        "photo": "photo photos image images picture pictures selfie selfies",
        "video": "video videos",
        "audio": "audio voice recording recordings sound speech",
        "prompt": "prompt prompts input inputs query queries",
        "output": "output outputs",
        "content": "content contents material materials media upload uploads works creations",
        "feedback": "feedback ratings survey surveys",
        "file": "file files document documents",
        "activity": "activity usage interactions behavior behaviour history clickstream browsing search searches",
        "location": "location locations geolocation gps whereabouts",
        "contacts": "contacts addressbook",
        "biometric": "biometric biometrics faceprint faceprints voiceprint voiceprints fingerprint fingerprints facial",
        "health": "health medical",
        "payment": "payment payments card billing financial purchase purchases",
        "device": "device devices ip identifiers browser",
        "children": "children child minors minor teen teens",
        "government-id": "passport licence selfie-id",
        "personal": "personal",
        "data": "data information details record records",
    }.items()
    for word in words.split()
}
GENERAL_CATEGORIES: Final = _set("data content personal")

PURPOSES: Final[dict[str, str]] = {
    word: purpose
    for purpose, words in {
        "advertise": "advertise advertising ads ad marketing advertisements promotional advertisers",
        "personalise": "personalize personalise personalized personalised personalization tailor tailored recommend"
        " recommendations",
        "improve": "improve improving improvement enhance enhancing",
        "research": "research studies",
        "security": "security safety fraud abuse spam safeguard",
        "provide": "provide operate deliver maintain",
    }.items()
    for word in words.split()
}

# --- small words that steer the reading of clauses ----------------------------------------------

AFTER_ACTOR: Final = (
    MODAL
    | WILL
    | _set(
        "use uses process processes also agree agrees rely relies allow allows train trains develop"
        " develops share shares"
        " collect collects store stores retain retains prohibit prohibits reserve reserves"
        " acknowledge understand grant"
        " grants who that improve improves hereby only sometimes occasionally either and/or access"
    )
)
"""What follows a noun that acts."""

RELATIVE: Final = _set(
    "how whether about what whatever people person those things anything everything one ones way ways time times"
)
"""Before a "you" that begins no clause of its own: "people you know"."""

OBJECT_BEFORE: Final = _set(
    "to with from about for by of on upon against than between like toward towards through"
)
OBJECT_AFTER: Final = frozenset((",", ".", ")", "to", "and", "or", "with", "the", "a", "in", "by", ""))
"""Around a "you" that is spoken to, not acting."""

LET: Final = _set(
    "allow allows allowing permit permits permitting enable enables enabling let lets letting"
    " authorize authorizes"
    " authorise authorises authorizing authorising grant grants granting give gives giving want"
    " wants wish prefer license"
    " help helps instruct direct consent"
)
GRANT: Final = _set("grant grants granting authorize authorise instruct direct")
CONSENT_TO: Final = _set("consent consents agree agrees consenting agreeing")
ASKING: Final = _set("ask request instruct require tell demand")
NO_NAMES: Final = _set(
    "us you your the others other any third users such a an these this them it people anyone all some another our"
)
ANYBODY: Final = _set("those others anyone nobody everyone")
DETERMINERS: Final = frozenset(
    (
        "our the these such other any all some certain those third service third-party affiliated"
        " selected your and or no"
    ).split()
) | {""}
THIRD_BEFORE: Final = _set("third third-party our service other the these such selected ai no certain")
THIRD_ONLY_BEFORE: Final = _set("third third-party our service other")
PARTNER_NOUNS: Final = _set("developers publishers advertisers partner provider party company")
ACTING_NOUNS: Final = _set("use processing training development reliance right legitimate collection")
YOUR_USE_OF: Final = _set("about of from on through regarding and how by with to")
BUT: Final = _set("but however instead although though yet nevertheless notwithstanding")
CLAUSE_STARTS: Final = _set(
    "and or that which then also so therefore thus hence case otherwise what who whom whose moreover additionally"
    " example instance addition do did are can may will should must"
)
INVERTED: Final = _set("will do does did shall may can would")
LETTING: Final = _set("allow permit enable let")
PASSIVE: Final = _set("be used is are been being")

OPT: Final = _set("optout disable toggle withdraw unchecking uncheck deselect optin")
CHOOSE: Final = _set("choose decide control manage adjust object whether off")
CHOSEN: Final = _set("whether if how our we your us")
SWITCH: Final = _set("turn switch turned turning switched switching toggle")
WANT: Final = _set("want wish like prefer agree consent choose optout optin accept approve allow permit")
NO_DENIAL_AFTER_NO: Final = _set("cost charge event case way obligation guarantee warranty control liability")
NO_DENIAL_AFTER_NOT: Final = _set(
    "affect apply impact undo reverse limited responsible liable guarantee applicable required available"
)
FORBIDDEN_BEFORE: Final = frozenset(
    "are is be strictly expressly not any : following the from you explicitly specifically otherwise".split()
) | {""}
PARTICIPLES: Final = _set("prohibited restricted forbidden unauthorized unauthorised")

BARE_VERBS: Final = _set(
    "use using access copy reproduce extract download distribute exploit utilize utilise create"
    " reverse engage attempt"
    " circumvent sell engaging"
)
PURPOSE_STARTS: Final = _set("to training developing improving train develop improve for")
NO_DATA_OF_PEOPLE: Final = _set(
    "science protection centre center scientist scientists security privacy controller breach processor"
)
PEOPLE: Final = _set("you we users members customers individuals")
OFFER: Final = _set("offer offers offering sell sells")
MADE_BY_PEOPLE: Final = _set(
    "interactions conversations chats prompts feedback posts messages submissions inputs uploads"
)
SCRAPE: Final = _set(
    "scrape scrapes scraping crawl crawls crawling harvest harvesting mine mining spider scraped"
)
HEAD_FORBIDS: Final = _set(
    "prohibited restrictions restriction restricted forbidden don't unacceptable misuse"
    " prohibitions not unauthorized"
)
PRACTICE_HEADS: Final = _set("use process using processing collect purposes purpose why how information data")
CONSENT: Final = _set("consent permission optin")
EVERYWHERE: Final = _set("public publicly internet web licensed large vast amounts many")
FOR_WHOM: Final = _set("interest interests benefit rights safety number needs")
RIGHT: Final = _set("right rights license licence permission")
INCLUDES: Final = _set("include includes involve involves cover covers extend extends touch touches")
AGREES: Final = _set("agree agreed consented allowed permitted given")
BACK: Final = _set("already previously past historical historic retroactively retrospectively existing")
FORBIDDEN: Final = _set("prohibited forbidden disallowed banned")
PERMITTED: Final = _set("permitted allowed authorized authorised")
FORBIDS_BEFORE: Final = _set("is are be strictly expressly explicitly hereby also specifically")
LEAVE: Final = _set("license licence permission agreement approval authorisation authorization")
BREACH: Final = _set("violation violates violate breach breaches infringes infringement")
VERB_BEFORE: Final = frozenset(
    "we us may will can also to and or , not never that they longer partners affiliates parties".split()
) | {""}
