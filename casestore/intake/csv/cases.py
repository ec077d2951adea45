"""From the rows of a case to its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from casestore.events import CaseMerged, CustomerRegistered
from casestore.intake.csv.cells import Times, Unfit
from casestore.intake.csv.compiling import Compiler, Seen
from casestore.intake.csv.document import Mapping
from casestore.intake.csv.drafts import Done, Draft, Drafts, Row
from casestore.intake.csv.rehearsal import Refused, Rehearsal
from casestore.intake.csv.rules import Compiled
from casestore.intake.options import Options
from casestore.intake.values import AHEAD, is_ahead
from casestore.transfer.lines import LeftOut, Line, Read, Remark, key_of, line


class Cases:
    """Makes the lines of cases.

    Args:
        mapping: the mapping.
        options: what the reader is told.
        columns: the names of the cells of a row, in their order.
        times: reads times.
        cannot_merge: why a case cannot be merged into another: (case id, into) → the words, or
            None.
    """

    def __init__(
        self,
        mapping: Mapping,
        options: Options,
        columns: list[str],
        times: Times,
        cannot_merge: Callable[[str, str], str | None],
    ) -> None:
        self._known = options.known
        self._cannot_merge = cannot_merge
        self._one_row = mapping.rows == "cases"
        columns = [*columns, *mapping.fields]
        places = {name: place for place, name in enumerate(columns)}
        self.compiler = compiler = Compiler(places, times, options.pseudonym)
        self._customers = [compiler.id(each, person=True) for each in mapping.customer]
        if mapping.customer_missing is not None:
            self._customers.append(compiler.id(mapping.customer_missing))
        rules = [Compiled(each, mapping, compiler, places, times) for each in mapping.all_rules]
        self._opening = None if mapping.opening is None else rules.pop(0)
        notes = options.changes == "note"
        both = self._opening, rules
        self._drafts = Drafts(mapping, columns, compiler, times, both, notes=notes)
        self.source = options.source(f"csv:{mapping.name}")
        self._shared = options.source(f"csv:{mapping.system}")
        """What keys begin with of which a system has one, whichever mapping made it."""

    def lines(self, case_id: str, rows: Iterable[Row]) -> Iterator[Read]:
        """The lines of a case, and what was left out of it. Customers' lines are among them."""
        try:
            case = _Case(case_id, Rehearsal(f"case:{case_id}", whole=True))
        except Refused as refused:
            yield from (LeftOut(refused.reason, row.where, refused.detail) for row in rows)
            return
        if self._opening is None:
            if not self._known.has(case.stream):
                reason = "its case is not in the store: first import the table that opens it"
                yield from (LeftOut(reason, row.where, case_id) for row in rows)
                return
            case.join_known()
        elif self._known.has(case.stream):
            rows = list(rows)
            if not self._opens(case, rows):
                case.join_known()
        spoken: set[str] = set()
        """The rows that are not done, and became something or were left out."""
        for found in self._drafts.of(rows):
            if isinstance(found, Done):
                if found.where not in spoken:
                    yield LeftOut("a row that no rule is about", found.where, "", False)
                spoken.discard(found.where)
                continue
            read = self._tried(case, found) if isinstance(found, Draft) else found
            if read is not None:
                spoken.add(found.where)
                yield from (Remark(what, found.where) for what in self.compiler.remarks)
                self.compiler.remarks.clear()
                yield read

    def _opens(self, case: _Case, rows: Iterable[Row]) -> bool:
        """Whether one of the rows opens their case.

        Then they are read as they were before the store had the case: what stands before that row
        is left out every time.
        """
        for draft in self._drafts.of(rows):
            if isinstance(draft, Draft) and draft.rule is self._opening:
                tried = _Case(case.id, Rehearsal(case.stream, whole=True))
                made = self._tried(tried, draft)
                self.compiler.remarks.clear()
                if isinstance(made, Line):
                    return True
        return False

    def _is_wanted(self, case: _Case, draft: Draft) -> bool:
        """Whether a draft's rule still applies, now that the events before it are made."""
        rule = draft.rule.rule
        if draft.rule is self._opening:
            return not case.opened
        if rule.once and rule.label in case.made:
            return False
        return rule.case is None or (rule.case == "closed") is bool(case.rehearsal.closed)

    def _tried(self, case: _Case, draft: Draft) -> Read | None:
        rule = draft.rule
        if not self._is_wanted(case, draft):
            return None
        try:
            if (made := self._line(case, draft)) is None:
                reason = "an event of which every mapped field is missing"
                return LeftOut(reason, draft.where, rule.type, False)
            if not rule.of_customer:
                case.rehearsal.take(made)
        except (Unfit, Refused) as why:
            return LeftOut(why.reason, draft.where, why.detail)
        case.made.add(rule.rule.label)
        case.opened = case.opened or rule is self._opening
        return made

    def _line(self, case: _Case, draft: Draft) -> Line | None:
        rule, seen, at = draft.rule, draft.seen, draft.at
        if rule is self._opening:
            at = rule.time(seen, at) or at
        if is_ahead(at):
            raise Refused(AHEAD, at.isoformat())
        if (fields := rule.made(seen)) is None:
            return None
        stream, keep_first = case.stream, self._one_row
        n = "0" if rule.rule.once and not self._one_row else seen.n
        key = key_of(self.source, case.id, n, rule.rule.label)
        event = rule.rule.event
        if rule is self._opening:
            fields["customer_id"] = self._whose(seen)
            key, keep_first = key_of(self._shared, case.id, 0, rule.rule.label), True
        elif rule.of_customer:
            customer = self._whose(seen)
            stream = f"customer:{customer}"
            if event is CustomerRegistered:
                key = key_of(self._shared, "customer", customer, rule.rule.label)
                keep_first = True
            Rehearsal(stream, whole=False)
        elif event is CaseMerged and (refusal := self._cannot_merge(case.id, fields["into"])):
            raise Unfit(refusal, fields["into"])
        return line(
            stream,
            rule.type,
            at,
            rule.actor(seen),
            fields,
            key=key,
            source=self.source,
            where=draft.where,
            keep_first=keep_first,
        )

    def _whose(self, seen: Seen) -> str:
        for write in self._customers:
            if (customer := write(seen)) is not None:
                return customer
        raise Unfit("a case without a customer: the mapping needs customer_missing", "")


class _Case:
    """What is known of a case while its rows are read."""

    def __init__(self, case_id: str, rehearsal: Rehearsal) -> None:
        self.id = case_id
        self.stream = f"case:{case_id}"
        self.rehearsal = rehearsal
        self.opened = False
        self.made: set[str] = set()
        """The labels of rules that have made an event."""

    def join_known(self) -> None:
        """Go on with a case that the store has, and that no row opens."""
        self.opened = True
        self.rehearsal.join_known()
