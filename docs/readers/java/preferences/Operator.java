package preferences;

import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What the operator decided: the policy, the stop switch, the senders. */
record Operator(Subject policies, Subject traffic, Subject senders) {

    static Operator of(States states) {
        return new Operator(
                Subject.of(states.parts("operator:policy")),
                Subject.of(states.parts("operator:traffic")),
                Subject.of(states.parts("operator:senders")));
    }

    /** The last one effective by then; of two from the same moment the one that was recorded last. */
    Policy policy(long at) {
        return policies.of("PolicyPublished")
                .map(entry -> new Policy(entry.fields().required("policy")))
                .filter(policy -> effective(policy) <= at)
                .reduce((best, next) -> effective(next) >= effective(best) ? next : best)
                .orElse(Policy.NONE);
    }

    private static long effective(Policy policy) {
        return Instant.parse(policy.fields().required("effective_from").textValue()).toEpochMilli();
    }

    /** The halts that cover the message; a resumption of exactly that scope, said and recorded after it, ends one. */
    List<Entry> halts(Question question) {
        List<Entry> resumed = traffic.of("TrafficResumed").filter(it -> it.occurred() <= question.at()).toList();
        return traffic.of("TrafficHalted")
                .filter(halt -> halt.reaches(question))
                .filter(halt -> resumed.stream().noneMatch(it -> it.after(halt) && scope(it).equals(scope(halt))))
                .toList();
    }

    private static List<String> scope(Entry entry) {
        var scope = entry.fields().required("scope");
        return Stream.of("brand", "channel", "purpose").map(name -> scope.path(name).asText("*")).toList();
    }

    /** Registered as one that takes replies, verified, and not suspended since; at equal times it is suspended. */
    boolean senderPasses(Question question, Policy policy) {
        if (question.sender() == null) {
            return true;
        }
        List<Entry> said = senders.of("SenderRegistered", "SenderVerified", "SenderSuspended")
                .filter(it -> question.sender().equals(it.text("sender")) && it.occurred() <= question.at())
                .sorted(Comparator.comparing(Entry::occurred).thenComparing(SUSPENDS::test))
                .toList();
        if (!said.isEmpty() && SUSPENDS.test(said.get(said.size() - 1))) {
            return false;
        }
        return said.stream()
                .filter(it -> it.type().equals("SenderRegistered"))
                .reduce((first, last) -> last)
                .map(it -> it.fields().path("takes_replies").asBoolean() && said.stream().anyMatch(VERIFIES))
                .orElse(policy.unknownSendersPass());
    }

    private static final Predicate<Entry> SUSPENDS = it -> it.type().equals("SenderSuspended");
    private static final Predicate<Entry> VERIFIES = it -> it.type().equals("SenderVerified");
}
