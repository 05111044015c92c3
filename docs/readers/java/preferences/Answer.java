package preferences;

import java.util.List;

/** Why a message may go out or not, and the ids of the events that say so. */
record Answer(String reason, List<String> evidence) {

    static Answer of(String reason, List<Entry> because) {
        return new Answer(reason, because.stream().map(Entry::id).toList());
    }

    boolean allowed() {
        return reason.equals("granted") || reason.equals("permitted_by_policy") || reason.equals("never_needs_consent");
    }
}
