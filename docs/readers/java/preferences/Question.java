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

    /** Reads one; a question without `at` is about now. */
    static Question of(JsonNode said) {
        return new Question(
                said.required("contact").textValue(),
                said.required("channel").textValue(),
                said.required("purpose").textValue(),
                said.required("brand").textValue(),
                said.path("sender").asText(null),
                said.path("jurisdiction").asText(null),
                said.path("at").asLong(System.currentTimeMillis()));
    }
}
