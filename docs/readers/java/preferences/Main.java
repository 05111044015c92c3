package preferences;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** `Main client.properties [PREFIX]`: questions on standard input, one JSON object a line; an answer a line. */
final class Main {

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0) {
            System.err.println("usage: preferences.Main client.properties [PREFIX] < questions.jsonl");
            System.exit(2);
        }
        Properties settings = new Properties();
        try (InputStream file = Files.newInputStream(Path.of(arguments[0]))) {
            settings.load(file);
        }
        String prefix = arguments.length > 1 ? arguments[1] : "preferences";
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Reader tables = new Reader(settings, prefix)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.isBlank()) {
                    tables.refresh(); // an empty line asks for what was written since
                } else {
                    System.out.println(answer(tables, line));
                }
            }
        }
    }

    /** What cannot be answered is told, and never allowed. */
    private static ObjectNode answer(Reader tables, String line) {
        ObjectNode told = Reader.JSON.createObjectNode();
        try {
            Answer answer = Rules.answer(tables, Question.of(Reader.JSON.readTree(line)));
            told.put("allowed", answer.allowed()).put("reason", answer.reason());
            told.set("evidence", Reader.JSON.valueToTree(answer.evidence()));
        } catch (Exception error) {
            told.put("allowed", false).put("error", String.valueOf(error.getMessage()));
        }
        told.set("watermark", Reader.JSON.valueToTree(tables.watermark()));
        return told;
    }
}
