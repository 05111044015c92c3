package preferences;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** The join and the rules of docs/decision-table.md: one instance answers one question. */
final class Rules {

    private final States states;
    private final Question question;
    private final Operator operator;
    private final Policy policy;
    private final long at;
    private final List<Entry> revokedByAccount = new ArrayList<>();
    private final List<Entry> yes = new ArrayList<>(); // grants for this contact, those that ran out among them
    private final List<Entry> holds = new ArrayList<>();

    private Rules(States states, Question question) {
        this.states = states;
        this.question = question;
        this.at = question.at();
        this.operator = Operator.of(states);
        this.policy = operator.policy(at);
    }

    static Answer answer(States states, Question question) {
        return new Rules(states, question).answer();
    }

    /** The reasons in their order. Whoever sends on this answer asks between the second and the third: am I stale? */
    private Answer answer() {
        List<Entry> halts = operator.halts(question);
        if (!halts.isEmpty()) {
            return Answer.of("halted", halts);
        }
        if (policy.neverNeedsConsent(question.purpose())) {
            Answer passes = new Answer("never_needs_consent", List.of());
            return policy.exemptFromSenderCheck(question.purpose()) ? passes : ifSenderPasses(passes);
        }
        Answer answer = byPreference();
        return answer.allowed() ? ifSenderPasses(answer) : answer;
    }

    private Answer ifSenderPasses(Answer answer) {
        return operator.senderPasses(question, policy) ? answer : new Answer("sender_unreachable", List.of());
    }

    /** The contact, then every account that it belonged to by then; the most restrictive level wins (rule 2). */
    private Answer byPreference() {
        Subject contact = Subject.of(states.parts(question.contact()));
        List<Entry> ownYes = ownGrants(contact);
        List<Entry> counting = inTime(ownYes);
        List<Entry> revoked = unlifted(revocations(contact), counting); // rule 1
        yes.addAll(ownYes);
        holds.addAll(openHolds(contact));
        contact.of("ContactLinked").map(link -> link.text("account")).distinct().sorted().forEach(name ->
                join(Subject.of(states.parts(name)), Membership.of(contact, name), counting));
        List<Entry> granted = inTime(yes);
        if (!revoked.isEmpty()) {
            return Answer.of("revoked_by_number", revoked);
        }
        if (!revokedByAccount.isEmpty()) {
            return Answer.of("revoked_by_account", revokedByAccount);
        }
        if (!holds.isEmpty()) {
            return Answer.of("held_for_review", holds);
        }
        if (!granted.isEmpty()) {
            return Answer.of("granted", granted);
        }
        if (policy.permitsSilence(question)) { // rule 6
            return new Answer("permitted_by_policy", List.of());
        }
        return Answer.of(yes.isEmpty() ? "no_consent" : "consent_expired", yes);
    }

    private void join(Subject account, Membership membership, List<Entry> ownGrants) {
        Entry left = membership.lastLeaving(at);
        if (membership.linked(at)) {
            revokedByAccount.addAll(linkedLevel(account, membership, ownGrants));
            grants(account).filter(grant -> grantsToContact(grant, membership)).forEach(yes::add);
        } else if (left != null) {
            revokedByAccount.addAll(formerLevel(account, membership, left, ownGrants));
        }
        openHolds(account).stream()
                .filter(hold -> membership.linkedDuring(hold.occurred(), at)) // rule 7
                .forEach(holds::add);
    }

    private List<Entry> linkedLevel(Subject account, Membership membership, List<Entry> ownGrants) {
        List<Entry> revoked = unlifted(revocations(account), lifting(account, membership));
        return policy.numberLiftsAccount() ? unlifted(revoked, ownGrants) : revoked; // rule 2
    }

    /** Rule 4: it only denies; what was said and recorded after the leaving does not reach who left. */
    private List<Entry> formerLevel(Subject account, Membership membership, Entry left, List<Entry> ownGrants) {
        List<Entry> reaching = revocations(account).stream().filter(no -> !no.after(left)).toList();
        List<Entry> own = policy.numberLiftsAccount()
                ? ownGrants
                : ownGrants.stream().filter(grant -> grant.after(left)).toList();
        return unlifted(unlifted(reaching, lifting(account, membership)), own);
    }

    /** Rule 3: an account's yes lifts its no for everybody except those that had left when it was said. */
    private List<Entry> lifting(Subject account, Membership membership) {
        return inTime(grants(account).filter(grant -> !membership.hadLeft(grant.occurred())).toList());
    }

    /** Rule 3: to whom an account's yes grants. */
    private boolean grantsToContact(Entry grant, Membership membership) {
        return membership.stayed(grant.occurred(), at)
                && (policy.grantsReachLaterLinks()
                        ? !membership.hadLeft(grant.occurred())
                        : membership.linked(grant.occurred()));
    }

    /** Rule 5: a yes up to the last reassignment is void. */
    private List<Entry> ownGrants(Subject contact) {
        long voidUntil = contact.of("NumberReassigned")
                .map(Entry::occurred).filter(it -> it <= at).max(Comparator.naturalOrder()).orElse(-1L);
        return grants(contact).filter(grant -> grant.occurred() > voidUntil).toList();
    }

    private Stream<Entry> grants(Subject subject) {
        return subject.of("PreferenceGranted").filter(grant -> grant.reaches(question));
    }

    private List<Entry> revocations(Subject subject) {
        return inTime(subject.of("PreferenceRevoked").filter(no -> no.reaches(question)).toList());
    }

    private List<Entry> inTime(List<Entry> statements) {
        return statements.stream().filter(it -> policy.inTime(it, at)).toList();
    }

    private static List<Entry> unlifted(List<Entry> revocations, List<Entry> lifting) {
        return revocations.stream().filter(no -> lifting.stream().noneMatch(grant -> grant.after(no))).toList();
    }

    /** Follow-ups that hold at the time; a resolution, the earliest of several, ends one from its moment on. */
    private List<Entry> openHolds(Subject subject) {
        List<String> resolved = subject.of("FollowUpResolved")
                .filter(it -> it.occurred() <= at).map(it -> it.text("follow_up")).toList();
        return subject.of("FollowUpOpened")
                .filter(it -> it.fields().path("holds").asBoolean() && it.occurred() <= at)
                .filter(it -> !resolved.contains(it.id()))
                .toList();
    }
}
