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

VERSION: Final = 2
"""Of the lexicon: another one may find other topics."""

MAX_TEXT: Final = 200_000
"""Characters of a text that are looked at, from its beginning."""

NEAR: Final = 40
"""Words between two weak expressions that speak of one matter, at most."""

PERSONAL_DATA: Final = "personal_data"
"""Found by the recognisers of Presidio (extra ``pii``), not by the lexicon."""

AI_WRITTEN: Final = "ai_written"
"""Marked by ``troth ai-written mark``, not by the lexicon: it takes a model, and texts of known origin."""


_TOKEN: Final = re.compile(r"\w+(?:'\w+)?|[.!?;:]")
_NUMBER: Final = "#"

_Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Topic:
    strong: tuple[_Words, ...]
    weak: tuple[_Words, ...]


def _expressions(lines: str) -> tuple[_Words, ...]:
    """Expressions one a line, as their words; ``*`` ends a word in any way, ``#`` is a number (also ``85k``)."""
    found = (tuple(re.findall(r"#|\w+(?:'\w+)?\*?", line.lower())) for line in lines.splitlines())
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
        promoted
        your application
        my application
        interview for
        second interview
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
        vacanc*
        job cuts
        cutting jobs
        working conditions
        rejected me
        turned me down
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
        appraisal*
        headcount
        resignation
        redundant
        furlough*
        dismissal*
        fired
        got the job
        my job
        his job
        her job
        your job
        their jobs
        lose my job
        lost my job
        lost his job
        lost her job
        losing my job
        job loss
        job security
        job title
        job description
        job posting*
        job ad
        job advert*
        job opening*
        job centre
        job center
        job change
        job offers
        between jobs
        change jobs
        changing jobs
        switch jobs
        switching jobs
        looking for a job
        look for a job
        find a job
        finding a job
        found a job
        apply for a job
        offered me a job
        offered me the job
        offered me a position
        offered me a role
        offered me the role
        offer letter
        accepted the offer
        accept the offer
        accepted an offer
        declined the offer
        turned down the offer
        new role
        new position
        open role*
        open position*
        open to work
        start work
        started work
        first day at
        non compete
        noncompete
        garden leave
        sabbatical
        work permit
        work visa
        visa sponsorship
        return to office
        night shift*
        zero hours
        part time job
        temp job
        temporary contract
        permanent contract
        permanent position
        permanent role
        contract was not renewed
        contract not renewed
        not renew my
        not renewed
        renew my contract
        tenure track
        reference letter
        letter of recommendation
        recommend me for
        recommend you for
        poached
        poaching
        headhunt*
        retire
        retired
        retiring
        retirement
        at work bull*
        bullied at work
        harassed at work
        harassment at work
        my supervisor
        human resources
        hr department
        from hr
        with hr
        work life balance
        talent acquisition
        staffing agency
        downsiz*
        job satisfaction
        screening call
        phone screen
        hiring freeze
        hire you
        hire me
        hired me
        hired her
        hired him
        assessment centre
        assessment center
        take home assignment
        shortlisted
        my replacement
        replaced me
        my successor
        disciplinary
        whistleblow*
        grievance*
        leave the firm
        leaving the firm
        left the firm
        left the company
        leave the company
        leave this company
        quit without
        wrongful termination
        termination letter
        constructive dismissal
        unpaid leave
        leave of absence
        my colleagues and i
        my career
        your career
        her career
        his career
        career move
        career break
        career advice
        career coach
        work experience
        years of experience in
        open for new opportunities
        new opportunit*
        next opportunity
        job seeker*
        jobseeker*
        employability
        understaffed
        demoted
        demotion
        annual review
        reporting line
        apprentice*
        my internship
        trainee*
        working from home
        toxic boss
        bad boss
        new boss
        old boss
        the boss
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
        job cut
        shortlist*
        job
        jobs
        position
        opening*
        boss
        hr
        onboarding
        probation
        workload
        coworker*
        staff
        layoff
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
        paid more
        paid less
        paid well
        well paid
        badly paid
        poorly paid
        better paid
        paid better
        paid badly
        paid fairly
        paid the same
        paid hourly
        paid by the hour
        paid per hour
        get paid
        gets paid
        getting paid
        got paid
        are paid
        am paid
        being paid
        paid for overtime
        paid overtime
        unpaid overtime
        paid in shares
        pays better
        pays more
        pays less
        pays well
        pays badly
        pays peanuts
        pay better
        pay less
        pay well
        pay me
        pay peanuts
        pay freeze
        pay scale*
        pay range*
        pay review*
        pay package
        pay day
        payday
        pay check*
        pay level
        pay transparency
        net pay
        gross pay
        full pay
        half pay
        back pay
        holiday pay
        sick pay
        maternity pay
        overtime pay
        severance pay
        double pay
        rate of pay
        pay for the role
        pay for the job
        our pay
        # an hour
        # per hour
        # a month
        # per month
        # a year
        # per year
        # a day
        # a week
        # gross
        # before tax
        # after tax
        # base
        offered me #
        offered her #
        offered him #
        offering #
        earn #
        earns #
        earned #
        makes # a
        hundred a day
        hundred a month
        grand a month
        grand a year
        k per year
        k base
        k gross
        euros an hour
        dollars an hour
        pounds an hour
        euros a month
        dollars a month
        pounds a month
        euros a year
        dollars a year
        pounds a year
        euros a day
        dollars a day
        pounds a day
        six figures
        six figure
        seven figures
        five figures
        figure package
        gross income
        my income
        your income
        her income
        his income
        household income
        stipend*
        per diem
        housing allowance
        relocation allowance
        relocation package
        travel allowance
        profit sharing
        profit share
        on commission
        commission only
        sales commission
        minimum wage
        living wage
        merit increase
        merit raise
        cost of living adjustment
        cost of living increase
        annual raise
        no raise
        the raise
        my raise
        a rise in pay
        raises this year
        raises were
        what i make
        what you make
        what he makes
        what she makes
        what they make
        how much i make
        how much you make
        how much she makes
        how much he makes
        how much do you make
        how much they make
        how much they pay
        how much do they pay
        how much does it pay
        what does it pay
        what it pays
        than i make
        makes more than i
        make more than i
        make less than
        makes less than
        more than i do for
        twice what i
        double what i
        half of what i
        make ends meet
        live on what
        my current package
        package they offered
        offer package
        lowball*
        low ball offer
        negotiate my
        negotiate the pay
        money they offered
        pension contribution*
        pension pot
        my pension
        her pension
        his pension
        your pension
        401k
        employer match
        esop
        espp
        unvested
        vests
        vest over
        vested shares
        clawback
        sign on payment
        thirteenth month
        13th month
        daily rate
        my rate
        my day rate
        i charge
        freelance rate
        compensated fairly
        fairly compensated
        compensation band*
        compensation review
        deferred compensation
        executive compensation
        expense account
        golden handshake
        golden parachute
        tax bracket
        income tax on my
        money i earn
        earned last year
        earned more
        earned less
        earns more
        earns less
        earns twice
        breadwinner
        pay you
        my package
        your package
        thousand each
        hundred each
        commission was
        our commission
        """,
        """
        bonus*
        compensation
        pay
        earn*
        pension
        after tax
        wage
        paid
        raise
        raises
        package
        income
        grand
        quid
        bucks
        gross
        perk*
        compensat*
        mortgage
        per hour
        per month
        negotiat*
        benefits
        equity
        underval*
        commission
        commissions
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
        the clinic
        a clinic
        my back hurts
        my back pain
        back pain
        ill with
        fell ill
        is ill
        was ill
        seriously ill
        is sick
        was sick
        off sick
        call in sick
        deaf
        hearing aid*
        going blind
        dementia
        alzheimer*
        parkinson*
        multiple sclerosis
        rehab*
        alcoholic*
        drinking again
        fertility
        menopause
        ptsd
        trauma
        in pain
        wheel chair
        injur*
        vaccin*
        doctors
        the doctor
        a doctor
        hospital
        hospitals
        hospitalis*
        hospitaliz*
        broke his
        broke her
        broken leg
        broken arm
        broken hip
        broken wrist
        broken ankle
        fractur*
        sprain*
        concussion
        seizure*
        ulcer*
        thyroid
        kidney*
        dialysis
        transplant
        radiotherapy
        remission
        relaps*
        oncolog*
        cardiolog*
        neurologist*
        dermatolog*
        gynaecolog*
        gynecolog*
        urolog*
        paediatric*
        pediatric*
        dentist
        physiotherap*
        physical therapy
        midwife
        expecting a baby
        expecting our
        expecting a child
        weeks along
        gave birth
        caesarean
        c section
        breastfeed*
        contracepti*
        abortion
        stillb*
        endometriosis
        pcos
        arthritis
        rheumat*
        lupus
        crohn*
        colitis
        coeliac
        celiac
        eczema
        psoriasis
        copd
        pneumonia
        bronchitis
        tuberculosis
        malaria
        lyme
        got covid
        had covid
        have covid
        has covid
        caught covid
        with covid
        the flu
        shingles
        anaemi*
        anemi*
        thrombosis
        embolism
        aneurysm
        pacemaker
        cholesterol
        hypertension
        obes*
        overweight
        eating disorder*
        anorexi*
        bulimi*
        ocd
        schizo*
        psychosis
        psychotic
        mental health
        mental illness*
        mentally ill
        my health
        her health
        his health
        health problem*
        health issue*
        health reasons
        health condition
        health scare
        poor health
        ill health
        nervous breakdown
        anxiety
        my anxiety
        painkiller*
        ibuprofen
        paracetamol
        opioid*
        morphine
        antibiotic*
        inhaler
        crutches
        hearing loss
        losing my hearing
        losing my sight
        eyesight
        cataract*
        glaucoma
        tinnitus
        vertigo
        vomit*
        nausea*
        nauseous
        diarrh*
        unwell
        not feeling well
        feel sick
        feeling sick
        feel ill
        feeling ill
        got sick
        fell sick
        fall ill
        contagious
        medical leave
        medical appointment*
        medical history
        medical condition*
        medical record*
        medical tests
        medical certificate
        doctor's appointment
        my gp
        the gp
        check up at
        mammogram
        colonoscopy
        ultrasound
        the ward
        icu
        ambulance
        paramedic*
        palliative
        hospice
        terminally
        care home
        passed out at
        drinking problem
        aa meeting*
        my knee
        my lungs
        my hip
        heart disease
        heart surgery
        heart problem*
        lung cancer
        breast cancer
        blood sugar
        my period
        the operation went
        knee operation
        hip operation
        knee replacement
        hip replacement
        a lump
        scan showed
        test came back positive
        tests came back
        results came back
        i am disabled
        disabled person
        disabled people
        disabled son
        disabled daughter
        my disability
        blood clot*
        blood cancer
        leukaemia
        leukemia
        lymphoma
        melanoma
        sclerosis
        muscular dystrophy
        dyslexi*
        tourette*
        down syndrome
        chronic fatigue
        chronic pain
        chronic illness
        chronically ill
        fatigue syndrome
        recovering from
        recovery from surgery
        sleep apnoea
        sleep apnea
        sleepless
        cannot get out of bed
        can't get out of bed
        barely get out of bed
        mood swings
        stressed out
        addiction
        addicted to alcohol
        addicted to drugs
        addicted to painkillers
        on antidepressants
        physio
        my heart condition
        recovering from surgery
        recovering from an
        suffers from a chronic
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
        pills
        medical
        test results
        carer
        caring for
        dizzy
        chronic
        benign
        infected
        infection*
        sober
        anxious
        dose
        dosage
        surgery
        faint*
        dizz*
        bleeding
        swollen
        swelling
        cough*
        headache*
        knee
        blood
        stomach
        physician
        exhausted
        exhaustion
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
    quit the app*
    quit the editor
    quit the program*
    let go of
    compensate for
    compensates for
    brush stroke*
    key stroke*
    deaf ears
    my package arrived
    my package is at
    package delivery
    package manager*
    your application crash*
    the application crash*
    raise your hand
    raise awareness
    retired the server
    retire the
    retired the
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


def _is_number(token: str) -> bool:
    return token.removesuffix("k").isdecimal()


def _fits(word: str, token: str) -> bool:
    if word == _NUMBER:
        return _is_number(token)
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
    numbers = _EXACT.get(_NUMBER, ()) if _is_number(token) else ()
    found = (*_EXACT.get(token, ()), *numbers, *prefixed)
    return tuple(sorted(found, key=lambda entry: entry[1] is not None))
