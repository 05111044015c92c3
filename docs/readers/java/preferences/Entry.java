package preferences;

import com.fasterxml.jackson.databind.JsonNode;

/** One entry of a state: what one event said, and when, on both clocks. Unknown fields are passed over. */
record Entry(JsonNode fields, int partition) {

    String text(String name) {
        return fields.path(name).asText(null);
    }

    String type() {
        return text("type");
    }

    String id() {
        return text("event_id");
    }

    /** When it was said, in milliseconds since 1970; never later than when it was recorded. */
    long occurred() {
        return fields.required("occurred_at").longValue();
    }

    long offset() {
        return fields.required("offset").longValue();
    }

    /** Said and recorded after another entry; at equal times it is not. */
    boolean after(Entry other) {
        return occurred() > other.occurred() && recordedAfter(other);
    }

    /** Within one partition of the ledger the offset decides, between two of them only the time of recording can. */
    private boolean recordedAfter(Entry other) {
        return partition == other.partition
                ? offset() > other.offset()
                : fields.required("recorded_at").longValue() > other.fields.required("recorded_at").longValue();
    }

    /** Said by the time of the message, and its scope covers the message. */
    boolean reaches(Question question) {
        JsonNode scope = fields.required("scope");
        return occurred() <= question.at()
                && covers(scope.path("brand").asText("*"), question.brand())
                && covers(scope.path("channel").asText("*"), question.channel())
                && covers(scope.path("purpose").asText("*"), question.purpose());
    }

    /** `*` covers everything, a path itself and all below it: `marketing` covers `marketing.offers`. */
    static boolean covers(String wide, String narrow) {
        return wide.equals("*") || wide.equals(narrow) || narrow.startsWith(wide + ".");
    }
}
