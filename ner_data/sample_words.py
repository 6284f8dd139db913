"""The vocabulary of the bundled corpus: names by part, how parts make a name, shared phrases, parts of speech.

Entries of a list are separated by `;`. A list in `OWN` is dealt out to the splits by position (`sample.own_part`), so
a surname used in the test split is in no training sentence. A list in `KNOWN` is open to every split: well-known
names, and names that mean several things (`Jordan`: a country, a given name, a surname). The parts that are needed in
every split, such as weekdays and the second half of a company's name, stand in `SHARED`.
"""

KNOWN = {
    "given": """Jordan; Paris; Florence; Victoria; Santiago; Charlotte; Sydney; Madison; Chelsea; Georgia;
        Austin; Jackson; Will; Rose; Mark; May; April; June; August; Katrina; Lincoln; Frank; Grace; Hope; Bill;
        Pat; Ruby; Dawn; Zoë; Søren; Chad; Anna; David; Maria; John; Sarah; Peter""",
    "surname": """Washington; Lincoln; Jackson; Houston; Hamilton; Wellington; Nelson; Ford; Bush; Brown; March;
        May; Rose; Jordan; King; Price; Banks; Stone; Cook; Baker; Young; Long; Bell; Wood; Paris; Santiago;
        Holland; Bishop; English; French; London; Shell; Field; Smith; Garcia; Khan; Kim""",
    "town": """Washington; Paris; Florence; Lincoln; Victoria; Santiago; Sydney; Charlotte; Madison; Austin;
        Jackson; Houston; Hamilton; Wellington; Nelson; Chelsea; Reading; Nice; Bath; Cork; Hull; Orange;
        Barcelona; Liverpool; London; Boston; São Paulo; Łódź; Phoenix; New York; Los Angeles; Berlin; Baghdad;
        Geneva""",
    "capital": """Washington; London; Paris; Moscow; Beijing; Tehran; Berlin; Tokyo; Cairo; Wellington;
        Santiago; Brussels""",
    "brand": """Apple; Amazon; Ford; Shell; Orange; Target; Oracle; Delta; Visa; Gap; Sprint; Bell; Lincoln;
        Phoenix; Virgin; Hamilton; Jordan; Chase; Rose; Victoria; Google; Toyota; Siemens""",
    "club_town": """Chelsea; Barcelona; Liverpool; Santiago; Houston; Phoenix; Victoria; Lincoln; Reading; Hull;
        Boston""",
    "agency": "NATO; UNICEF; the IAEA; OPEC; the U.N.; the EU; NASA; the WHO; the Red Cross",
    "storm_name": "Katrina; Florence; Charlotte; Victoria; Rose; Irma; Georgia; Grace; Sydney; Dawn; Andrew",
    "disease": "Ebola; Zika; H5N1; HIV; SARS; West Nile; Lyme disease",
    "one_word_work": """August; Victoria; Jordan; Washington; Amazon; Paris; Florence; Georgia; Katrina;
        Lincoln; Rose""",
    "vessel": "Victoria; Florence; Rose; Katrina; Washington; Lincoln; Charlotte; Sydney; Hope; Phoenix; Apollo",
    "big_event": "World Cup; Olympic Games; Winter Olympics; Tour de France; Paralympics",
    "big_war": "Spring Uprising; Winter War; Nine Days War; Great Revolt",
    "river": "the Amazon; the Danube; the Nile; the Mekong; the Jordan; the Orange River",
    "sea": "the Black Sea; Lake Victoria; the Gulf of Mexico; the Persian Gulf; the North Sea",
    # country / adjective / people; a leading "the" is an ordinary word outside the span
    "nation": """Jordan/Jordanian/Jordanians; Georgia/Georgian/Georgians; Turkey/Turkish/Turks;
        Chad/Chadian/Chadians; Iraq/Iraqi/Iraqis; France/French/French; Germany/German/Germans;
        China/Chinese/Chinese; Japan/Japanese/Japanese; Russia/Russian/Russians; India/Indian/Indians;
        Brazil/Brazilian/Brazilians; the United States/U.S./Americans; Britain/British/Britons;
        Poland/Polish/Poles; Ireland/Irish/Irish""",
}

OWN = {
    "given": """Alice; Tomasz; Ingrid; Rafael; Mei; Oluwaseun; Henrik; Priya; Mateo; Leila; Gustav; Noor; Bruno;
        Yuki; Carmen; Dmitri; Fatima; Owen; Chiara; Kwame; Astrid; Hassan; Nadia; Joaquín; Ewa; Samir; Beatriz;
        Piotr; Linh; Marcus; Renée; Arjun; Elif; Stefan; Amara; Viktor; Helena; Tariq; Moira; Emre; Sofia;
        Daniel; Aiko; Lorenzo; Greta; Ibrahim; Clara; Rohan; Ines; Felix; Yasmin; Patrick; Olga; Thabo; Judith;
        Kenji; Marta; Simon; Zainab; Luis; Bridget; Andrei; Salma; Erik; Wanjiru; Colin; Paula; Mikhail; Irene;
        Ravi; Hanna; Jean-Luc; Teresa; Omar; Freya; Pablo; Agnes; Karim; Vera; Liam; Naomi; Björn; Ursula; Hugo;
        Aisha; Anton; Miriam; Declan; Sunita; Jakob; Rosa-Maria; Malik; Eleanor; Pavel; Chloé; Nikhil; Esther;
        Darius; Anouk; Victor; Hye-jin; Gareth; Lucía; Sven; Imani; Oskar; Rebecca; Tunde""",
    "surname": """Okafor; Lindqvist; Moreau; Petrov; Tanaka; Alvarez; Novak; Haddad; O'Neill; Banerjee;
        Schneider; Mbeki; Kowalski; Ferrari; Yilmaz; Nguyen; Jensen; Castillo; Abbas; Whitaker; Fujimoto;
        Dubois; Ivanova; Mensah; Costa; Rahman; Hughes; Virtanen; Popescu; Ortega; Zhang; McAllister; Farouk;
        Keller; Sokolov; Pereira; Adeyemi; Larsson; Bianchi; Chowdhury; Doyle; Horvat; Mendoza; Sato; Weber;
        Achebe; Kaplan; Reyes; Lefebvre; Park; Gallagher; Nowak; Hosseini; Vargas; Andersen; Kimani; Rossi;
        Bhatt; Fitzgerald; Marković; Delgado; Wang; Osei; Steiner; Levy; Torres; Eriksen; Tremblay; Demir; Pham;
        Campbell; Dvořák; Salazar; Qureshi; Nakamura; Fontaine; Diallo; Murray; Volkov; Fuentes; Hoffmann; Iyer;
        Sandoval; Korhonen; Asante; Bruni; Aziz; Thornton; Szabó; Cardoso; Lim; Wallace; Morozov; Guerrero;
        Bauer; Kamara; Girard; Siddiqui; Nyström; Becker; Romano; Mwangi; Ibáñez; Chandra; Byrne; Krüger;
        Suzuki; Navarro; Tahir; Holm; Cruz; Reid; Baranov; Vidal; Meyer; Danjuma; Roux; Patel; Egan; Stoica;
        Molina; Hayashi; Vogel; Toure; Marino; Joshi; Barlow; Zieliński; Acosta; Hashemi; Blom; Soto; Fraser;
        Orlov; Pinto; Brandt; Nkrumah; Laurent; Das""",
    "foreign_town": """Tarnów; Nagpur; Bergen; Oaxaca; Malmö; Kumasi; Izmir; Trieste; Cusco; Plovdiv; Da Nang;
        Gdynia; Mombasa; Aarhus; Multan; Toledo; Recife; Kazan; Tampere; Nantes; Medan; Sfax; Graz; Mendoza;
        Surat; Osijek; Kyoto; Arequipa; Leipzig; Tabriz; Bari; Jinja; Rennes; Chiang Mai; Varna; Salta; Kaunas;
        Pune; Bilbao; Homs; Turku; Puebla; Essen; Jos; Lviv; Cádiz; Kochi; Linz; Natal; Matsue; Gaborone;
        Coimbra; Basra; Brno; Tacna; Dresden; Kano; Udine; Quetta; Split; Manaus; Ghent; Hue; Bursa; Lugano;
        Mwanza; Pskov; Santa Fe; Padua; Erbil; Rouen; Cebu; Tromsø; Zagreb; Iloilo; Lublin; León; Sousse; Bonn;
        Mysore; Odense; Fortaleza; Kisumu; Sendai; Nancy; Kandy; Burgos; Tomsk; Palermo; Córdoba; Vigo; Haifa;
        Ostrava; Bamako""",
    "stem": """Ash; Bram; Cald; Dun; Elder; Fern; Glen; Hart; Ivel; Kel; Lang; Mar; Nether; Oak; Pen; Rad; Sel;
        Thorn; Ul; Wal; Black; Cran; Dray; East; Fal; Gris; Hazel; Hal; Kirk; Lin; Mil; North; Orm; Pick; Red;
        Stan; Tid; Up; Wen; Whit; Al; Brad; Col; Dal; Ever; Far; Gold; Har; Hol; Ketter; Lead; Mal; New; Ock;
        Pet; Rain; Sand; Tam; Wade; Win""",
    "capital": """Warsaw; Nairobi; Lima; Lisbon; Hanoi; Oslo; Rabat; Quito; Dhaka; Ottawa; Athens; Prague;
        Bogotá; Tunis; Vienna; Manila; Ankara; Amman; Madrid; Accra; Seoul; Caracas; Helsinki; Damascus;
        Canberra; Sofia; Doha; Islamabad; Budapest; Jakarta""",
    "brand_head": """Nova; Lum; Ver; Zen; Cor; Alt; Tri; Omni; Axi; Bel; Cal; Dyn; Evo; Flu; Gen; Hel; Ion; Kin;
        Lex; Mer; Neo; Opt; Pol; Quan; Rho; Sol; Tel; Uni; Vis; Xan""",
    "agency": """the UNHCR; ASEAN; the OSCE; ECOWAS; the IMF; the OECD; the WTO; USAID; the ICRC; SADC; UNESCO;
        CERN; the ESA; the FAO; the ILO; the EBRD; the IOM; Mercosur; Interpol; Unitaid; Eurostat; the UNDP;
        Oxfam; Frontex""",
    "broadcaster": "CNN; ITV; AFP; RTE; the BBC; NHK; the ABC; TASS; Kyodo; Al Jazeera; ANSA; NPR",
    "storm_name": """Elsa; Otto; Nina; Harvey; Wilma; Ida; Mitch; Hugo; Iota; Ophelia; Nargis; Haiyan; Idai;
        Pam; Freddy; Winston; Gita; Yasi; Bopha; Komen; Sidr; Mangkhut; Hato; Ivan; Rita; Isaac; Lorena; Debby;
        Beryl; Milton; Olaf; Vera; Isabel; Matthew; Dorian; Eunice""",
    "disease": """H7N9; H1N1; Lassa fever; Nipah; MERS; Marburg; H3N8; H9N2; Rift Valley fever; Hendra; Crimean
        fever; H10N3; Chagas disease; Dengue-2; Hantaan; H5N8; Usutu; Kawasaki disease; Oropouche; H2N2; Ross
        River fever; H7N7; Keshan disease; Mayaro; Kyasanur fever; H6N1; Chapare; Powassan; H3N2; Sindbis""",
    "work_adj": """Silent; Golden; Broken; Hidden; Second; Distant; Crooked; Winter; Paper; Empty; Northern;
        Lost; Glass; Burning; Quiet; Hollow; Scarlet; Borrowed; Last; Wooden; Restless; Salt; Narrow; Velvet""",
    "work_noun": """River; Garden; Orchard; Lighthouse; Kingdom; Letter; Harbor; Mirror; Journey; Piano; Window;
        Season; Bridge; Shadow; Stranger; Mountain; Daughter; Clock; Island; Winter; Carpenter; Road; Storm;
        House; Song; Forest; Teacher; Train; Candle; Border; Map; Sparrow; Market; Ocean; Well; Staircase""",
    "product_head": """Astra; Vela; Kestrel; Orbit; Pulsar; Comet; Falcon; Zephyr; Lyra; Nimbus; Titan; Merlin;
        Corvus; Osprey; Atlas; Borealis; Quasar; Heron""",
    "vessel": """Endeavour; Northern Star; Ocean Pearl; Albatross; Kestrel; Sea Empress; Ariadne; Bluebell;
        Resolute; Polar Queen; Estrella; Mayflower; Sundance; Aurora; Marigold; Pioneer; Cormorant; Galatea""",
    "award": """Hartwell; Booker; Nobel; Sandford; Lindgren; Pulitzer; Fairbank; Brontë; Akutagawa; Goncourt;
        Wolfson; Cervantes; Turner; Orwell; Hawthorne; Balzan; Camões; Abel""",
    "law_head": """Clean Water; Fair Housing; Food Safety; Road Traffic; Coastal Protection; Equal Pay; Public
        Health; Freedom of Information; Radio Licensing; Child Welfare; Open Skies; Mine Safety; Land Reform;
        Higher Education; Patents and Designs; Forest Rights; Rail Safety; Marine Wildlife""",
    "ministry_of": """Health; Education; Finance; Foreign Affairs; Justice; Agriculture; Energy and Climate;
        Transport; Culture and Sport; Defense; Labor; Trade and Industry; Housing; Science; Public Works;
        Fisheries; Tourism; the Interior""",
    "cause": """Human Rights; Press Freedom; Food Policy; Marine Research; Rural Health; Economic Studies; Open
        Science; Wildlife Protection; Road Safety; Democratic Reform; Clean Air; Tropical Medicine; Peace and
        Justice; Refugee Support; Family Planning; Animal Welfare; Space Research; Public Broadcasting""",
    "party_head": """Liberal; Social Democratic; Green; National; People 's; Labor; Conservative; Christian
        Democratic; Unity; Progressive; Workers '; Reform; Agrarian; Republican; Freedom; Civic; Centre; Justice""",
    "festival_of": """Lights; Nations; Music and Dance; Books; Kites; Lanterns; New Cinema; Song; Flowers;
        Ideas; Masks; Street Food; Sail; the Harvest; Early Music; Comedy; Poetry; Drums""",
    "contest_kind": """Cup; Marathon; Regatta; Grand Prix; Open; Championships; Derby; Trophy; Rally; Masters;
        Relay; Shield; League; Bowl; Classic; Super Series; Invitational; Challenge""",
    "war_kind": """Civil War; Revolution; Crusade; Uprising; Rebellion; Mutiny; Offensive; Blockade; Revolt;
        Campaign; Rising; Raid""",
    "festival_kind": """Film Festival; Book Fair; Biennale; Carnival; Music Week; Arts Festival; Jazz Days;
        Summer School; Parade; Games; Design Week; Street Party""",
    # country / adjective / people
    "nation": """Kenya/Kenyan/Kenyans; Norway/Norwegian/Norwegians; Peru/Peruvian/Peruvians;
        Vietnam/Vietnamese/Vietnamese; Ghana/Ghanaian/Ghanaians; Hungary/Hungarian/Hungarians;
        Egypt/Egyptian/Egyptians; Chile/Chilean/Chileans; Denmark/Danish/Danes; Malaysia/Malaysian/Malaysians;
        Nigeria/Nigerian/Nigerians; Belgium/Belgian/Belgians; Mexico/Mexican/Mexicans; Nepal/Nepalese/Nepalese;
        Morocco/Moroccan/Moroccans; Sweden/Swedish/Swedes; Colombia/Colombian/Colombians;
        Ukraine/Ukrainian/Ukrainians; Spain/Spanish/Spaniards; Uganda/Ugandan/Ugandans;
        Austria/Austrian/Austrians; Thailand/Thai/Thais; Bolivia/Bolivian/Bolivians; Croatia/Croatian/Croats;
        Pakistan/Pakistani/Pakistanis; Finland/Finnish/Finns; Senegal/Senegalese/Senegalese; the
        Philippines/Philippine/Filipinos; Portugal/Portuguese/Portuguese; Zambia/Zambian/Zambians;
        Greece/Greek/Greeks; Argentina/Argentine/Argentines; Tunisia/Tunisian/Tunisians; South Korea/South
        Korean/South Koreans; Italy/Italian/Italians; Ecuador/Ecuadorian/Ecuadorians;
        Iceland/Icelandic/Icelanders; Sri Lanka/Sri Lankan/Sri Lankans; Serbia/Serbian/Serbs;
        Ethiopia/Ethiopian/Ethiopians; Indonesia/Indonesian/Indonesians; the Netherlands/Dutch/Dutch;
        Lebanon/Lebanese/Lebanese; Canada/Canadian/Canadians; Mali/Malian/Malians; Romania/Romanian/Romanians;
        Cuba/Cuban/Cubans; New Zealand/New Zealand/New Zealanders""",
    "hyphen_adj": """Franco-German; pro-Russian; Anglo-Irish; Sino-Indian; pro-European; anti-American;
        Indo-Pakistani; pan-African; Russo-Turkish; Swedish-Finnish; pan-Arab; Anglo-American; Franco-British;
        pro-Chinese; Luso-Brazilian; Greco-Turkish; Dano-Swedish; Polish-Lithuanian""",
}

SHARED = {
    "suffix": "bury; ford; ham; wick; mouth; ton; field; stead; dale; haven; ley; worth",
    "brand_tail": "tek; ra; ix; on; is; gen; com; dyne; data; via; ero",
    "courtesy": "Mr.; Mr.; Mrs.; Ms.; Dr.; Dr.; Professor",
    "title": "Dr.; Dr.; Professor; Captain; Judge; Bishop; Sergeant; Commander",
    "rank": """President; Prime Minister; General; Senator; Foreign Minister; Governor; Secretary of State;
        Colonel; Mayor; Queen; Prince; Admiral""",
    "saint": "Anne; Peter; John; Mark; Nicholas; Clare; Martin; Francis",
    "initial": "A.; B.; C.; D.; E.; F.; G.; H.; J.; K.; L.; M.; P.; R.; S.; T.; W.",
    "particle": "van der; de la; von; dos; di",
    "business": """Industries; Holdings; Motors; Airways; Bank; Energy; Foods; Group; Systems; Textiles;
        Shipping; Insurance; Steel; Partners; Press; Railways; Electric; Brothers""",
    "club": "United; City; Rovers; Athletic; Wanderers; Town; Tigers; Rangers; Albion",
    "paper": "Gazette; Herald; Times; Post; Tribune; Chronicle; Courier; Star; Mail; Echo",
    "street": "Street; Street; Road; Avenue; Lane",
    "building": "Square; Bridge; Park; Airport; Station; Castle; Market; Hall",
    "ground": "Park; Road; Lane; Stadium; Arena",
    "storm_kind": "Hurricane; Hurricane; Cyclone; Typhoon; Tropical Storm",
    "weekday": "Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday",
    "month": """January; February; March; March; April; May; May; May; June; July; August; August; September;
        October; November; December""",
    "holiday": "Easter; Christmas; Ramadan; New Year 's Eve; Thanksgiving; Labor Day; Independence Day",
    "decade": "1920s; 1930s; 1950s; 1960s; 1970s; 1980s; 1990s",
    "model": "2; 3; 4; 7; 9; X; X2; 300; 500; 1000; Pro; Mini; II; III",
}

# The patterns of a name, with their weights. Every word gets the type at the left, a leading "the" excepted.
# {day}, {year} and {hour} are numbers that the generator draws.
NAMES = {
    "town": (
        "geo",
        {
            "{foreign_town}": 5,
            "{stem}{suffix}": 3,
            "{town}": 5,
            "{capital}": 1,
            "Port {stem}{suffix}": 0.3,
            "Saint {saint}": 0.2,
            "New {stem}{suffix}": 0.3,
        },
    ),
    "capital_town": ("geo", {"{capital}": 1}),
    "country": ("geo", {"{country}": 1}),
    "region": (
        "geo",
        {
            "the {surname} Valley": 1,
            "{given} Island": 1,
            "the Isle of {stem}{suffix}": 1,
            "{foreign_town} Province": 2,
            "{stem}{suffix} County": 1,
            "South {stem}{suffix}": 0.5,
        },
    ),
    "river": ("geo", {"{river}": 2, "the {stem}{suffix}": 1, "the {stem}{suffix} River": 1, "Lake {stem}{suffix}": 1}),
    "sea": (
        "geo",
        {
            "{sea}": 2,
            "the Gulf of {foreign_town}": 1,
            "the Strait of {foreign_town}": 1,
            "the Sea of {stem}{suffix}": 0.3,
            "Lake {foreign_town}": 1,
        },
    ),
    "nature": (
        "geo",
        {
            "{river}": 1,
            "{sea}": 1,
            "Mount {surname}": 1,
            "Cape {surname}": 1,
            "Lake {stem}{suffix}": 1,
            "the {surname} Valley": 1,
        },
    ),
    "street": (
        "geo",
        {
            "{surname} {street}": 3,
            "{stem}{suffix} {street}": 2,
            "{given} {surname} {street}": 1,
            "{month} {street}": 0.3,
            "{country_bare} {street}": 0.5,
        },
    ),
    "place": (
        "geo",
        {
            "{surname} {building}": 3,
            "{stem}{suffix} {building}": 2,
            "{foreign_town} {building}": 2,
            "{surname} {street}": 2,
            "{stem}{suffix} {street}": 1,
        },
    ),
    "ground": ("geo", {"{surname} {ground}": 1, "{stem}{suffix} {ground}": 1}),
    "per": (
        "per",
        {
            "{given} {surname}": 9,
            "{given} {initial} {surname}": 1.2,
            "{title} {given} {surname}": 1,
            "{courtesy} {surname}": 1,
            "{given} {particle} {surname}": 0.6,
            "{given} {surname}-{surname}": 0.4,
            "{given} {stem}{suffix}": 2,
            "{given} {surname} Jr.": 0.3,
        },
    ),
    "leader": (
        "per",
        {"{rank} {surname}": 3, "{rank} {given} {surname}": 2, "{given} {surname}": 4, "{given} {stem}{suffix}": 1},
    ),
    "president": ("per", {"President {surname}": 1, "President {stem}{suffix}": 0.3}),
    "judge": ("per", {"Judge {surname}": 1, "Judge {stem}{suffix}": 0.3}),
    "title_sur": ("per", {"{courtesy} {surname}": 3, "{title} {surname}": 1, "{courtesy} {stem}{suffix}": 1}),
    "officer": ("per", {"General {surname}": 1, "Colonel {surname}": 1, "Captain {given} {surname}": 1}),
    "sur": ("per", {"{surname}": 7, "{courtesy} {surname}": 2, "{stem}{suffix}": 1.5}),
    "first": ("per", {"{given}": 1}),
    "first_last": (
        "per",
        {
            "{given} {surname}": 7,
            "{given} {stem}{suffix}": 1,
            "{given} {initial} {surname}": 0.5,
            "{given} {particle} {surname}": 0.3,
        },
    ),
    "company": (
        "org",
        {
            "{brand}": 5,
            "{brand_head}{brand_tail}": 2.5,
            "{surname} {business}": 2,
            "{surname}": 1,
            "{stem}{suffix}": 0.7,
            "{stem}{suffix} {business}": 1,
            "{surname} and {surname}": 1,
            "{surname} & Sons": 0.5,
            "{foreign_town} {business}": 1,
            "{brand_head}{brand_tail} {business}": 1,
        },
    ),
    "inst": (
        "org",
        {
            "the University of {foreign_town}": 2,
            "{stem}{suffix} University": 1,
            "{agency}": 4,
            "the Ministry of {ministry_of}": 2,
            "the Department of {ministry_of}": 1,
            "the Bank of {country_bare}": 1,
            "the Institute for {cause}": 1,
            "the Council for {cause}": 1,
            "{foreign_town} City Council": 1,
            "{stem}{suffix} General Hospital": 0.7,
            "the {surname} Foundation": 1,
            "the Centre for {cause}": 1,
            "{surname} College": 0.7,
            "the {foreign_town} Chamber of Commerce": 0.5,
            "the Church of Saint {saint}": 0.2,
        },
    ),
    "lab": (
        "org",
        {
            "the University of {foreign_town}": 2,
            "{stem}{suffix} University": 1,
            "CERN": 0.2,
            "NASA": 0.5,
            "the Institute for {cause}": 1,
            "{surname} College": 0.7,
            "the Centre for {cause}": 1,
            "{brand_head}{brand_tail}": 0.5,
            "{foreign_town}": 0.5,
        },
    ),
    "party": (
        "org",
        {
            "the {party_head} Party": 4,
            "the {party_head} Front": 1,
            "the {party_head} Alliance": 1,
            "the Movement for {cause}": 0.7,
            "the {party_head} and {party_head} Union": 0.5,
        },
    ),
    "team": (
        "org",
        {
            "{foreign_town}": 3,
            "{club_town}": 4,
            "{foreign_town} {club}": 2,
            "{stem}{suffix} {club}": 2,
            "{stem}{suffix}": 2,
            "{club_town} {club}": 0.5,
        },
    ),
    "media": (
        "org",
        {
            "the {foreign_town} {paper}": 2,
            "the {stem}{suffix} {paper}": 1,
            "{broadcaster}": 2,
            "Radio {country_bare}": 1,
            "Reuters": 1,
            "the Associated Press": 0.6,
            "the {paper}": 0.8,
        },
    ),
    "capital": ("org", {"{capital}": 1}),
    "gov": ("gpe", {"{country}": 1}),
    "adj": ("gpe", {"{adjective}": 9, "{hyphen_adj}": 1.2}),
    "demonym": ("gpe", {"{adjective}": 1}),
    "half": ("gpe", {"half-{adjective}": 1, "{adjective}-born": 1, "non-{adjective}": 0.5}),
    "people": ("gpe", {"{people}": 1}),
    "weekday": ("tim", {"{weekday}": 1}),
    "month": ("tim", {"{month}": 1}),
    "date": ("tim", {"{day} {month}": 2, "{month} {day}": 3, "{day} {month} {year}": 1.5, "{weekday}": 1}),
    "date_md": ("tim", {"{month} {day}": 1}),
    "date_dmy": ("tim", {"{day} {month} {year}": 1}),
    "year": ("tim", {"{year}": 1}),
    "month_year": ("tim", {"{month} {year}": 1}),
    "decade": ("tim", {"{decade}": 1}),
    "clock": ("tim", {"{hour} a.m.": 1, "{hour} p.m.": 1}),
    "holiday": ("tim", {"{holiday}": 1}),
    "work": (
        "art",
        {
            "The {work_adj} {work_noun}": 2,
            "Letters from {foreign_town}": 0.4,
            "Songs of the {work_noun}": 0.4,
            "{one_word_work}": 1.6,
            "The {work_noun} and the {work_noun}": 1,
            "A {work_noun} for {given}": 1,
            "{work_adj} {work_noun}": 1,
            "The {work_noun} of {foreign_town}": 1,
            "{given} and {given}": 0.5,
        },
    ),
    "product": ("art", {"{product_head} {model}": 2, "{brand} {model}": 1, "{product_head}": 0.5}),
    "vessel": ("art", {"{vessel}": 3, "MV {vessel}": 1}),
    "award": ("art", {"{award} Prize": 2, "{award} Medal": 1, "{surname} Prize": 1}),
    "law": (
        "art",
        {
            "{law_head} Act": 2,
            "Treaty of {foreign_town}": 1,
            "{foreign_town} Protocol": 1,
            "{law_head} Convention": 0.5,
        },
    ),
    "contest": (
        "eve",
        {
            "{big_event}": 2,
            "{surname} {contest_kind}": 1,
            "{adjective} {contest_kind}": 2,
            "{foreign_town} {contest_kind}": 1,
            "{stem}{suffix} {contest_kind}": 1,
        },
    ),
    "battle": (
        "eve",
        {
            "Battle of {stem}{suffix}": 2,
            "Siege of {foreign_town}": 1,
            "{adjective} {war_kind}": 1,
            "{big_war}": 0.8,
            "Battle of {foreign_town}": 1,
            "{month} {war_kind}": 0.6,
        },
    ),
    "festival": (
        "eve",
        {
            "Festival of {festival_of}": 1.5,
            "{foreign_town} {festival_kind}": 2,
            "{stem}{suffix} {festival_kind}": 1,
            "{month} {festival_kind}": 0.4,
            "{stem}{suffix} Festival of {festival_of}": 0.5,
        },
    ),
    "storm": ("nat", {"{storm_kind} {storm_name}": 3, "{storm_name}": 2}),
    "bare_storm": ("nat", {"{storm_name}": 1}),
    "virus": ("nat", {"{disease}": 4, "the {surname} virus": 0.7, "the {foreign_town} virus": 1}),
}

# Noun phrases and adverbials of ordinary English, shared by the splits. Each may hold names.
PHRASES = {
    "geo": "{town}; {town}; {town}; {country}; {country}; {region}",
    "org": "{company}; {company}; {inst}; {inst}; {party}",
    "on": """on {weekday}; {weekday}; on {date}; late {weekday}; early {weekday}; last {weekday}; last {month};
        in {month}; in {year}; on {weekday} morning; this week; last week; yesterday; earlier this month;
        overnight; on {date}; at {clock} on {weekday}; in late {month}""",
    "soon": """next {weekday}; on {date}; in {month}; next week; next month; before {month}; after {month}; at
        {clock}; after {holiday}; in early {month}; within a year; on {weekday} afternoon; from {month}; later
        this year""",
    "past": """in {year}; in {month_year}; in the {decade}; in early {year}; during the {decade}; in {year}; in
        the spring of {year}; long ago; in the late {decade}; a decade ago""",
    "who": """{per}; {per}; {sur}; {first_last} , a {role} at {org} ,; {first_last} , the {demonym} {role} ,;
        {per} , who {bio} ,; {demonym} {role} {first_last}; {first_last} , {age} ,; {per} of {inst}; {half}
        {role} {first_last}; the {role} {first_last}; a {role} named {first_last}""",
    "bio": """joined {company} {past}; was born in {town}; grew up near {geo}; studied at {inst}; has lived in
        {town} since {year}; moved from {country} as a child; left {company} last year; once worked for {inst};
        speaks four languages; has never held public office""",
    "speaker": """{sur}; {sur}; {per}; {per}; a spokesman for {org}; {company} 's lawyer; officials in {town}; {inst};
        the {role}; {media}; a {demonym} {role}; two people at {company}; {first_last} , a {role} ,; the {office} of
        {country}; a spokeswoman for {inst}; {who}""",
    "plain_speaker": """officials; a witness; the {role}; doctors; two engineers; the manager; experts; my
        neighbor; the report; a local farmer; organizers; several teachers; the Mayor; the Director""",
    "said": "said; said; said; announced; confirmed; reported; added; insisted; acknowledged",
    "towns": """{town} and {town}; {town} , {town} and {town}; {town} , {town} , {town} and {town}; {town} ,
        {country} and {nature}""",
    "countries": """{country} and {country}; {country} , {country} and {country}; {country} , {country} ,
        {country} and {country}""",
    "people_list": """{first_last} and {first_last}; {first_last} , {first_last} and {first_last}; {first_last}
        of {country} , {first_last} of {country} and {first_last} of {country}""",
    "companies": "{company} and {company}; {company} , {company} and {company}",
    "role": """engineer; lawyer; teacher; economist; surgeon; historian; biologist; architect; journalist;
        farmer; pilot; chemist; director; adviser; analyst; researcher; coach; novelist; photographer; diplomat;
        nurse; violinist; union leader; police officer""",
    "office": "president; prime minister; foreign minister; finance minister; defense minister; interior minister",
    "issue": """fishing rights; border security; water prices; pension reform; school funding; climate policy;
        food aid; trade rules; oil exports; the new budget; the release of prisoners; visa rules; nuclear
        energy; land reform; fuel taxes; public transport; rural hospitals; grain shipments; the election law;
        minority languages; airport security; the housing shortage""",
    "to_act": """cut fuel taxes; lift the ban on beef imports; reopen the border crossing; withdraw its
        observers; release the detained sailors; extend the truce; share flood data; lower tariffs on steel;
        publish the accounts; accept more refugees; recall the ambassador; sign the agreement; protect coastal
        fisheries; repair the pipeline; delay the vote; open its archives""",
    "after": """after losing a vote of confidence; after weeks of protests; in a dispute over expenses; for
        family reasons; after a long illness; without giving a reason; before the inquiry was published; despite
        strong support at home; amid rising prices; after only nine months in office""",
    "num": "{small}; {small}; {number}; {number}; nearly {number}; about {number}; more than {number}; two dozen",
    "small": "three; four; five; six; seven; eight; nine; ten; eleven; twelve; 13; 14; 16; 18; 21; 24; 30",
    "pct": "{percent} percent; {percent} percent; {decimal} percent; almost {percent} percent",
    "money": """{decimal} million dollars; {percent} million euros; $ {decimal} million; {percent} billion yen;
        £ {percent} million""",
    "victims": """residents; passengers; students; fishermen; villagers; workers; patients; tourists; farmers;
        commuters""",
    "goods": """steel; coffee; cotton; timber; natural gas; wheat; spare parts; medicines; copper; cut flowers;
        olive oil; bicycles; cement; solar panels; rice; machine tools; fertilizer; canned fish""",
    "plant": "barley; maize; wheat; rice; tea; rye; cotton; spinach; flax; tobacco",
    "bird": "cranes; storks; geese; terns; swallows; swans; herons; plovers",
    "livestock": "sheep; goats; cattle; hens; ducks; pigs; bees; horses",
    "animal": """owls; salmon; bees; elephants; wolves; cranes; bats; turtles; seals; frogs; butterflies; foxes;
        storks""",
    "instrument": "telescope; probe; satellite; microscope; radar; sensor; seismograph; weather balloon; drone",
    "damage": """tore roofs from houses; flooded the coastal road; cut power to {number} homes; closed schools
        and ports; damaged the sea wall; uprooted hundreds of trees; swept away two bridges; grounded all
        flights""",
    "quality": """brief; long; public; private; recent; final; difficult; important; second; planned; short;
        similar; formal; unusual""",
    "thing": """meeting; speech; visit; lecture; debate; concert; hearing; ceremony; workshop; interview;
        training; rehearsal""",
    "place_noun": """library; station; market; harbor; school; museum; bakery; clinic; town hall; theater;
        garden; gym; sports hall; post office; workshop""",
    "household": """kettle; camera; bicycle; ladder; radio; umbrella; washing machine; lamp; suitcase; heater;
        door bell; printer; freezer""",
    "food": """soup; bread; lentils; pancakes; rice pudding; salad; stew; noodles; dumplings; cheese; fish pie;
        roast potatoes""",
    "weather": """heavy rain; fog; light snow; thick mist; frost; freezing rain; drizzle; hail; sleet; heavy
        snow; dense cloud""",
    "manner": """quickly; quietly; slowly; at once; carefully; without warning; in the end; as usual; once more;
        twice""",
    "when": """this morning; last night; every evening; at noon; in the afternoon; during the break; before
        breakfast; two days ago; after lunch; most weekends; all winter; at the end of the month""",
    "body": "knee; ankle; shoulder; wrist; back; hip; elbow; hamstring",
    "sport": "football; tennis; hockey; rugby; cricket; volleyball; handball; chess; badminton; basketball",
    "material": "oak; brick; glass; slate; marble; clay; steel; sandstone; bamboo; copper",
    "event_noun": "earthquake; fire; flood; accident; landslide; explosion; power cut; strike; storm; drought",
    "topic": """ocean currents; early childhood; sleep; soil; city traffic; stone tools; volcanic ash; bird
        migration; public debt; old maps; human memory; air quality; ancient trade; sea ice; bread wheat""",
    "code": "007; 1e5; NA; N/A; null; None; nan; true; false; NULL; 0042; 3e8; 0x1F; -1",
    "answer": "none; None; NA; N/A; true; false; yes; no; unknown; null",
}

# Penn Treebank tags of ordinary words, as far as their endings do not give them (`sample.part_of_speech`)
POS = {
    "DT": "the a an this that these those no each every another both all any some either neither",
    "IN": """of in on at by for with from into near over under after before against between through during
        toward across along behind without until since while because if although as among outside inside around
        off despite whether so per amid except than within above instead like about thanks""",
    "TO": "to",
    "POS": "'s '",
    "CC": "and or but nor & either",
    "MD": "will would can could may might must should shall",
    "PRP": """i we you he she it they me him us them himself herself itself one ours mine nobody nothing
        everyone everybody someone none""",
    "PRP$": "my our your his her its their",
    "WDT": "which",
    "WP": "who what whom",
    "WRB": "when where why how",
    "EX": "there",
    "RB": """not now then almost nearly never again already also once twice early late soon too only together
        slowly quietly carefully quickly well still even here ahead just later ago away overnight yesterday
        tomorrow badly ever abroad aloud very back anymore today else however meanwhile apart asleep""",
    "RP": "down out up off",
    "CD": "two three four five six seven eight nine ten eleven twelve dozen million billion thousands",
    "JJ": """new old former strong common dry white brown orange long short good best nice young high hard low
        public private rural nuclear last next first second third final main same older cold grey alive ready
        famous absent safe cheap able open closed top free sore heavy light thick freezing dense central chief
        prime foreign local natural solar human ancient minority electoral rich injured unchanged oldest happy
        driest strongest worst longest fewer few many most more several own such wanted known important
        difficult recent brief similar formal unusual planned small large clean green wooden straight ill true
        weak possible soft empty shallow coastal annual different sure whole early-childhood sick frail unable
        late married born based""",
    "JJR": "better longer cheaper higher older less bigger lower",
    "RBR": "earlier sooner",
    "NNS": """people children police shares voters lawmakers talks ties men women twins sales profits goods
        staff cattle sheep bees geese salmon wolves odds lives customers critics thieves members data debts days""",
    "NN": """family pudding hamstring rowing business progress news glass address process illness access evening
        morning training meeting painting building wedding opening spring pressure housing printing clothing
        hearing reading working fishing shipping funding red string hundred weekday water sleep bus gas campus
        surplus virus prize census tennis chess president minister research series bed speed seed king thing
        feed ceiling shelling breakfast mass class dress iron christmas seismograph bread yes food plumbing wood
        steel railway fall answer cost vote night deal trial sale risk rise study support trade visit play
        account appeal hospital court question weather wounded""",
    "VB": """be have do see go call meet bring take give know help keep act learn follow speak discuss choose
        travel resume comment cut lift reopen withdraw release extend share lower publish accept recall sign
        protect repair delay buy sell reach stop pay treat move wait leave lose join stand close start grow
        examine measure explain persuade feed rent mend hear arrive find review write teach begin pick collapse
        return show tell please press look polish cook try borrow hunt run row check""",
    "VBP": "want say live complain are am agree oppose believe fear wish type doubt owe hold patrol remain seem",
    "VBZ": """helps appears imports is has does opens goes makes wants says reports studies borders covers leads
        leaves serves holds reads shows belongs faces lives speaks begins takes treats plays gives sells exports
        lists visits honors keeps divides costs looks grows calls describes hopes advises buys stands points
        dates works needs means returns knows explains tries writes""",
    "VBD": """was were had did said met won fell rose left took sold gave saw began wrote went came led lost
        fought made found became bought paid sent struck hit shook sank beat knew got ate told swept tore grew
        set spent drew stood ran caught sang spoke taught thought kept meant fled stole froze broke hurt brought
        put lent heard sought held swam felt learnt slept flew forgot chose drove wore threw rang built showed
        blew""",
    "VBN": """been done gone written seen taken given shown broken stolen frozen spoken chosen driven worn sworn
        forgotten begun drawn risen eaten thrown flown forbidden hidden""",
    "UH": "dear oh",
}
