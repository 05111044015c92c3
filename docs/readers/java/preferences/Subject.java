package preferences;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** What stands of a subject, in order: no repetitions, and nothing that was corrected (docs/states.md). */
record Subject(List<Entry> stands) {

    private static final Set<String> CORRECTABLE = Set.of(
            "PreferenceGranted", "PreferenceRevoked", "StatementCorrected",
            "ContactLinked", "ContactUnlinked", "NumberReassigned");

    static Subject of(List<JsonNode> parts) {
        List<Entry> kept = new ArrayList<>();
        for (JsonNode part : parts) {
            int partition = parts.get(0).required("partition").intValue();
            for (JsonNode fields : part.required("entries")) {
                Entry entry = new Entry(fields, partition);
                if (!isRepeated(entry, kept)) {
                    kept.add(entry);
                }
            }
        }
        Set<String> wrong = corrected(kept);
        return new Subject(kept.stream().filter(entry -> !isTakenOut(entry, wrong)).toList());
    }

    Stream<Entry> of(String... types) {
        List<String> wanted = List.of(types);
        return stands.stream().filter(entry -> wanted.contains(entry.type()));
    }

    /** The same event again: by its id, or by key and content while the earlier one stands. */
    private static boolean isRepeated(Entry entry, List<Entry> kept) {
        List<Entry> same = kept.stream()
                .filter(other -> other.text("idempotency_key").equals(entry.text("idempotency_key")))
                .filter(other -> other.text("content").equals(entry.text("content")))
                .toList();
        if (same.isEmpty()) {
            return false;
        }
        Set<String> wrong = corrected(kept);
        return same.stream().anyMatch(other -> other.id().equals(entry.id()) || !isTakenOut(other, wrong));
    }

    /** The ids that corrections name, from the last to the first: one that was itself corrected corrects nothing. */
    private static Set<String> corrected(List<Entry> entries) {
        Set<String> wrong = new HashSet<>();
        for (int place = entries.size() - 1; place >= 0; place--) {
            Entry entry = entries.get(place);
            if ("StatementCorrected".equals(entry.type()) && !wrong.contains(entry.id())) {
                wrong.add(entry.text("corrects"));
            }
        }
        return wrong;
    }

    /** Follow-ups, for one, are resolved and not corrected. */
    private static boolean isTakenOut(Entry entry, Set<String> wrong) {
        return CORRECTABLE.contains(entry.type()) && wrong.contains(entry.id());
    }
}
