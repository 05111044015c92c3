package preferences;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * May a message of this brand, channel and purpose go to this contact at this time?
 *
 * @param contact the reference of a number or an address (docs/privacy.md)
 * @param sender null where it is not known, and so is `jurisdiction`
 * @param at milliseconds since 1970
 */
record Question(
        String contact, String channel, String purpose, String brand, String sender, String jurisdiction, long at) {

    /** Reads one; without `at` it is about now. What is said wrongly is an error, and no other question. */
    static Question of(JsonNode said) {
        String contact = text(said.required("contact"), "contact");
        if (!contact.matches("[0-9a-f]{32}")) {
            throw new IllegalArgumentException("contact is no reference of 32 hex digits: see docs/privacy.md");
        }
        return new Question(
                contact,
                text(said.required("channel"), "channel"),
                text(said.required("purpose"), "purpose"),
                text(said.required("brand"), "brand"),
                said.hasNonNull("sender") ? text(said.get("sender"), "sender") : null,
                said.hasNonNull("jurisdiction") ? text(said.get("jurisdiction"), "jurisdiction") : null,
                said.hasNonNull("at") ? milliseconds(said.get("at")) : System.currentTimeMillis());
    }

    private static String text(JsonNode value, String name) {
        if (!value.isTextual()) {
            throw new IllegalArgumentException(name + " is no text");
        }
        return value.textValue();
    }

    private static long milliseconds(JsonNode value) {
        if (!value.isIntegralNumber()) {
            throw new IllegalArgumentException("at is no number of milliseconds since 1970");
        }
        return value.longValue();
    }
}
