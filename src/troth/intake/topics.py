"""Matters that a text speaks of, found by a lexicon: English only, offline, the same every time.

A topic is found where a strong expression stands, or two different weak ones near each other. It counts
as a further category ``topic:NAME`` of the record, which clauses can name. It is a finding, never a verdict:
what the lexicon overlooks is covered by no clause on topics, and precision and recall are measured
(``bench/topics.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from troth.core.errors import BadInput

VERSION: Final = 1
"""Of the lexicon: another one may find other topics."""

MAX_TEXT: Final = 200_000
"""Characters of a text that are looked at, from its beginning."""

NEAR: Final = 40
"""Words between two weak expressions that speak of one matter, at most."""

PERSONAL_DATA: Final = "personal_data"
"""Found by the recognisers of Presidio (extra ``pii``), not by the lexicon."""


_TOKEN: Final = re.compile(r"\w+(?:'\w+)?|[.!?;:]")

_Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Topic:
    strong: tuple[_Words, ...]
    weak: tuple[_Words, ...]


def _expressions(lines: str) -> tuple[_Words, ...]:
    """Expressions one a line, as their words; ``*`` ends a word in any way."""
    found = (tuple(re.findall(r"\w+(?:'\w+)?\*?", line.lower())) for line in lines.splitlines())
    return tuple(words for words in found if words)


def _topic(strong: str, weak: str) -> _Topic:
    return _Topic(_expressions(strong), _expressions(weak))


_TOPICS: Final = {
    "employment": _topic(
        """
        job offer
        job interview*
        job search
        job hunt*
        job application*
        apply for the job
        applied for the job
        applying for jobs
        cover letter
        my resume
        your resume
        her resume
        his resume
        my cv
        your cv
        notice period
        my notice
        hand in my notice
        laid off
        layoff*
        lay offs
        redundanc*
        made redundant
        got fired
        was fired
        were fired
        being fired
        fire him
        fire her
        resign*
        severance
        terminat* employment
        terminated from
        employment contract
        employment agreement
        probation period
        probationary period
        performance review
        performance improvement plan
        hiring manager
        hiring panel
        headhunter*
        recruiter*
        promotion to
        got promoted
        passed over for promotion
        parental leave
        maternity leave
        paternity leave
        my boss
        unemployed
        unemployment
        career change
        job market
        quit my job
        leave my job
        leaving my job
        leaving the company
        new job
        quit
        quitting
        sacked
        sacking
        dismissed from
        was dismissed
        let go
        hiring
        recruit*
        unfair dismissal
        my contract ends
        my contract
        your contract
        his contract
        her contract
        contract extension
        fixed term
        the promotion
        a promotion
        promoted
        your application
        my application
        the interview
        an interview
        interview for
        second interview
        interview with
        job interview*
        interviewed
        interviewing
        last day at
        my last day
        gardening leave
        written warning
        formal warning
        line manager
        my manager
        your manager
        overtime
        vacanc*
        job cuts
        cutting jobs
        working conditions
        rejected me
        turned me down
        start at
        joining the team
        looking for work
        out of work
        day job
        freelanc*
        internship*
        my employer
        your employer
        his employer
        her employer
        former employer
        new employer
        probation
        your references
        my references
        referee
        appraisal*
        headcount
        """,
        """
        hiring
        hire
        hired
        recruit*
        interview*
        vacanc*
        candidate*
        employer*
        employee*
        employment
        colleague*
        career
        resume
        internship
        promot*
        applicant*
        working hours
        overtime
        workplace
        team lead
        job cut
        shortlist*
        head of
        """,
    ),
    "compensation": _topic(
        """
        salar*
        base pay
        pays for
        pays me
        pays you
        pays us
        pay rise
        pay raise
        pay cut
        pay band*
        pay slip*
        payslip*
        pay grade
        pay gap
        paycheck*
        paycheque*
        payroll
        wage*
        compensation package
        total compensation
        total comp
        signing bonus
        sign on bonus
        annual bonus
        year end bonus
        performance bonus
        my bonus
        your bonus
        equity grant
        stock option*
        stock grant*
        restricted stock
        rsu
        rsus
        vesting
        vested
        hourly rate
        day rate
        remunerat*
        k a year
        per annum
        a raise
        what they pay
        what i earn
        how much i earn
        how much you earn
        how much do you earn
        underpaid
        overpaid
        401k match
        commission structure
        take home
        bonus*
        the pay
        my pay
        your pay
        her pay
        his pay
        their pay
        pay is
        equal pay
        pays me
        i earn
        you earn
        we earn
        she earns
        he earns
        they earn
        earn less
        earn more
        earning
        market rate
        grant you
        shares did
        thousand a month
        thousand a year
        thousand euros
        thousand dollars
        benefits package
        pension plan
        pension scheme
        fringe benefits
        company car
        counter offer
        counteroffer
        """,
        """
        bonus*
        compensation
        pay
        earn*
        equity
        benefits
        pension
        per hour
        per month
        after tax
        negotiat*
        wage
        inflation
        """,
    ),
    "intellectual_property": _topic(
        """
        intellectual property
        patent*
        trade secret*
        trademark*
        trade mark*
        copyright*
        non disclosure agreement
        nda
        ndas
        confidentiality agreement
        proprietary
        prior art
        invention disclosure
        licence agreement
        license agreement
        licensing agreement
        licensing terms
        infring*
        source code leak
        confidential design*
        confidential information
        unpublished result*
        unpublished work
        plagiari*
        royalt*
        assign the invention
        reverse engineer*
        our source code
        all inventions
        your inventions
        my invention
        our invention
        under embargo
        unreleased
        blueprint*
        the invention
        an invention
        inventions
        inventor
        inventors
        confidential
        strictly secret
        keep it secret
        cease and desist
        their algorithm
        our algorithm
        the code when leaving
        customer list
        client list
        schematics
        exclusive rights
        licensed for
        licence for
        license for
        need a licence
        need a license
        leaked
        leak of
        the leak
        copied our
        copied my
        stole our
        stole my
        under my name
        do not forward
        before the launch
        before launch
        ghostwrit*
        """,
        """
        confidential*
        invention*
        inventor
        inventors
        invented
        licence*
        license*
        licensing
        source code
        prototype
        disclos*
        leak*
        embargo
        unreleased
        unpublished
        ownership
        owns the rights
        blueprint
        stole
        prototype
        """,
    ),
    "health": _topic(
        """
        diagnos*
        chemotherap*
        chemo
        cancer
        tumo*r
        tumors
        tumours
        diabet*
        depress* and
        depression
        depressed
        antidepressant*
        anxiety disorder
        panic attack*
        burnout
        burned out
        burnt out
        bipolar
        adhd
        autis*
        epilep*
        asthma*
        migraine*
        hiv
        hepatitis
        pregnan*
        miscarriage
        ivf
        surgery
        surgeon
        operation on my
        my therapist
        her therapist
        his therapist
        therapy session*
        in therapy
        psychiatr*
        psycholog* help
        prescri* me
        prescription
        medication*
        insulin
        blood test*
        blood pressure
        biopsy
        mri
        mri scan
        ct scan
        x ray
        emergency room
        intensive care
        in hospital
        in the hospital
        to hospital
        to the hospital
        sick leave
        sick note
        signed off sick
        doctor's note
        my doctor
        the doctor said
        disabilit*
        wheelchair
        rehab
        overdose
        self harm
        suicid*
        stroke
        heart attack
        broke my
        tested positive
        long covid
        allerg*
        malignant
        benign
        psychiatrist*
        psychologist*
        therapist
        counsellor
        heart condition
        the pills
        my pills
        sleeping pills
        cannot sleep
        can't sleep
        insomnia
        hospital*
        the clinic
        a clinic
        my back hurts
        my back pain
        back pain
        chronic
        ill with
        fell ill
        is ill
        was ill
        seriously ill
        is sick
        was sick
        off sick
        call in sick
        disabled
        deaf
        hearing aid*
        blind in
        going blind
        dementia
        alzheimer*
        parkinson*
        multiple sclerosis
        addict*
        rehab*
        alcoholic*
        drinking again
        sober
        fertility
        menopause
        ptsd
        trauma
        in pain
        wheel chair
        injur*
        vaccin*
        infection*
        infected
        quarantine
        doctors
        the doctor
        a doctor
        """,
        """
        doctor*
        hospital*
        clinic
        sick
        ill
        illness
        disease
        symptom*
        pain
        treatment
        therapy
        therapist
        injury
        injured
        nurse
        fever
        flu
        covid
        exhaust*
        pills
        medical
        test results
        pain
        carer
        caring for
        dizzy
        """,
    ),
    "religion": _topic(
        """
        to the mosque
        to the synagogue
        to church
        to mass
        my faith
        my religion
        my church
        my mosque
        my synagogue
        my temple
        i pray
        we pray
        praying
        ramadan
        yom kippur
        eid
        converted to
        baptis*
        baptiz*
        muslim*
        jewish
        catholic*
        protestant
        buddhis*
        hindu*
        sikh*
        atheis*
        evangelical*
        mormon*
        halal
        kosher
        hijab
        rabbi
        imam
        pastor
        bible study
        qur'an
        quran
        synagogue*
        mosque*
        the church
        our church
        left the church
        our pastor
        our priest
        priest
        our temple
        keep kosher
        shabbat
        sabbath
        passover
        christmas mass
        easter service
        fasting
        prayers
        religious*
        my god
        believer*
        jew
        jews
        christians
        christianity
        buddhist*
        islam*
        judaism
        christianity
        worship*
        baptis*
        """,
        """
        church
        mosque
        temple
        faith
        religio*
        prayer*
        fasting
        holy
        worship
        sermon
        congregation
        pastor
        priest
        pray*
        """,
    ),
    "politics": _topic(
        """
        i voted for
        voted for
        vote for
        voting for
        party member
        member of the party
        political view*
        political opinion*
        politically
        my politics
        campaigning for
        protest march
        went to the protest
        the demonstration
        left wing
        right wing
        far right
        far left
        trade union
        union member*
        labour union
        labor union
        union rep
        joined the union
        the union
        on strike
        strike action
        the senator
        referendum
        the campaign for
        knocked on doors
        canvass*
        shop steward
        far to the right
        far to the left
        leans right
        leans left
        in the union
        a union
        our union
        socialists
        conservatives
        republicans
        democrats
        the greens
        communis*
        fascis*
        voted
        voting
        city council
        running for
        political party
        the opposition
        activist
        activists
        activism
        leaflets for
        picket*
        trade unions
        walked out
        """,
        """
        election*
        vote*
        politic*
        parliament
        senator
        protest*
        rally
        socialis*
        conservative*
        liberal*
        referendum
        senator
        leaflet*
        """,
    ),
    "sexuality": _topic(
        """
        i'm gay
        i am gay
        is gay
        being gay
        came out as
        come out as
        coming out as
        lesbian
        bisexual*
        transgender
        transition* from
        trans woman
        trans man
        queer
        sexual orientation
        sex life
        my transition
        pronouns
        hormone therapy
        gender identity
        non binary
        nonbinary
        two men
        two women
        lesbians
        is trans
        am trans
        as trans
        trans people
        transitioning
        her transition
        his transition
        my husband and i, two
        my wife and i, two
        same sex
        gay
        lgbt*
        my gender
        her gender
        his gender
        in the closet
        asexual
        hiv status
        came out to
        come out to
        coming out
        at pride
        to pride
        """,
        """
        gay
        lgbt*
        pride
        gender
        coming out
        came out
        sexual*
        hormones
        """,
    ),
    "legal_trouble": _topic(
        """
        criminal record
        arrested
        convicted
        conviction
        sentenced to
        on probation for
        restraining order
        pleaded guilty
        plead guilty
        lawsuit*
        sued
        suing
        sue them
        sue us
        my lawyer
        our lawyer*
        their lawyer*
        court date
        court hearing
        bankruptcy
        custody of
        custody battle
        divorce*
        subpoena*
        tribunal
        police report
        the police
        in court
        to court
        the court
        went to prison
        in prison
        to prison
        in jail
        to jail
        defendant
        plaintiff
        bankrupt*
        searched our house
        fraud
        the prosecutor*
        prosecut*
        indict*
        charged with
        parole
        on bail
        on probation
        a fine
        fined
        the judge
        legal action
        legal trouble
        my attorney
        our attorney
        my ex
        alimony
        evict*
        guilty
        """,
        """
        lawyer*
        attorney*
        judge
        police
        fined
        settlement
        jail
        prison
        custody
        """,
    ),
}

NAMES: Final = tuple(_TOPICS)
"""The topics that the lexicon finds."""

# Words of everyday talk that mean none of it.
_EVERYDAY: Final = _expressions(
    """
    all rights reserved
    copyright notice
    healthy competition
    health of the market
    health check endpoint*
    health endpoint*
    stroke of luck
    stroke of genius
    a new role in the model
    heart attack when i saw
    autopay
    paid attention
    pay attention
    paying attention
    pays off
    pay off
    paid off
    pay it forward
    pay a visit
    pay you a visit
    doctor who
    doctor the numbers
    spin doctor*
    sick beat
    sick of
    ill advised
    patent leather
    positional argument*
    net positive
    net result
    surgery on the code
    fire drill
    thank god
    oh my god
    for god's sake
    garbage collector
    union type*
    union all
    the union of
    party on saturday
    birthday party
    dinner party
    third party
    third parties
    party line
    lucky strike
    strike a balance
    strikes me
    fine with me
    fine by me
    is fine
    be fine
    all fine
    just fine
    court the
    tennis court
    basketball court
    food court
    trial version
    free trial
    trial period
    judge for yourself
    job queue*
    job scheduler
    cron job*
    batch job*
    good job
    great job
    nice job
    depression in the graph
    depression over
    resume the
    resume at
    resume on
    resumes at
    interview question of the podcast
    role model*
    royalty free
    mass of
    critical mass
    raise the issue
    raise a question
    raise an exception
    raised an exception
    operation on the data
    """
)


def check_topics(names: Sequence[str]) -> tuple[str, ...]:
    """The topics asked for, each once.

    Raises:
        BadInput: one is not known.
    """
    for name in names:
        if name not in (*NAMES, PERSONAL_DATA):
            raise BadInput(
                f"there is no topic {name!r}", remedy=f"there are {', '.join((*NAMES, PERSONAL_DATA))}"
            )
    return tuple(dict.fromkeys(names))


def find_topics(text: str, names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """The topics of the lexicon that a text speaks of."""
    tokens = _TOKEN.findall(text[:MAX_TEXT].replace("\u2019", "'").lower())
    found: set[str] = set()
    hints: dict[str, tuple[str, int]] = {}
    dead = -1
    for at, token in enumerate(tokens):
        for rest, topic, strong in _begins_with(token):
            if not _follows(tokens, at + 1, rest):
                continue
            if topic is None:
                dead = max(dead, at + len(rest))
            elif at <= dead or topic in found:
                continue
            elif strong:
                found.add(topic)
            else:
                # The same word twice is one hint; so are "hospital" and "hospitals".
                word, before = hints.get(topic, ("", -NEAR - 1))
                if word and word != token[:6] and at - before <= NEAR:
                    found.add(topic)
                hints[topic] = (token[:6], at)
    return tuple(name for name in names if name in found)


def _follows(tokens: Sequence[str], at: int, rest: _Words) -> bool:
    if not rest:
        return True
    if at + len(rest) > len(tokens):
        return False
    return all(_fits(word, tokens[at + index]) for index, word in enumerate(rest))


def _fits(word: str, token: str) -> bool:
    return token.startswith(word[:-1]) if word.endswith("*") else token == word


_Entry: TypeAlias = tuple[_Words, str | None, bool]
"""The words after the first, the topic (None: everyday talk), and whether the expression is a strong one."""


def _indexed() -> tuple[dict[str, list[_Entry]], dict[str, list[tuple[str, _Entry]]]]:
    """The expressions by their first word; those whose first word may end in any way by its first letters."""
    exact: dict[str, list[_Entry]] = {}
    open_ended: dict[str, list[tuple[str, _Entry]]] = {}
    listed: list[tuple[tuple[_Words, ...], str | None, bool]] = [(_EVERYDAY, None, True)]
    for name, topic in _TOPICS.items():
        listed += [(topic.strong, name, True), (topic.weak, name, False)]
    for expressions, owner, strong in listed:
        for first, *rest in expressions:
            entry = (tuple(rest), owner, strong)
            if first.endswith("*"):
                open_ended.setdefault(first[:_KEY], []).append((first[:-1], entry))
            else:
                exact.setdefault(first, []).append(entry)
    return exact, open_ended


_KEY: Final = 3
_EXACT, _OPEN_ENDED = _indexed()


@lru_cache(maxsize=65_536)
def _begins_with(token: str) -> tuple[_Entry, ...]:
    """What a word may begin; everyday talk first, since it silences the rest."""
    prefixed = (entry for stem, entry in _OPEN_ENDED.get(token[:_KEY], ()) if token.startswith(stem))
    found = (*_EXACT.get(token, ()), *prefixed)
    return tuple(sorted(found, key=lambda entry: entry[1] is not None))
